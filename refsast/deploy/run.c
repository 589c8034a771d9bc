/* Runs the network of network.h. Reads recordings of STEPS x INPUTS counts, one byte each, from
   standard input; writes a line per recording: the spikes of all layers, step by step, as 0 and 1. */
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include "network.h"

static int64_t leak(const struct layer *l, int64_t u) { /* rounds down, whatever >> does */
  int64_t v = l->factor * u + l->offset, size = (int64_t)1 << l->shift;
  return v >= 0 ? v / size : -((-v + size - 1) / size);
}

static int32_t carry(const struct layer *l, int i) {
  int64_t drop = l->spike[i] ? l->threshold[i] : 0;
  switch (l->reset) {
    case TO_ZERO: return l->spike[i] ? 0 : (int32_t)leak(l, l->u[i]);
    case SUBTRACT: return (int32_t)(leak(l, l->u[i]) - drop);
    case SUBTRACT_LEAKED: return (int32_t)leak(l, l->u[i] - drop);
    default: return (int32_t)leak(l, l->u[i]);
  }
}

static int32_t fit(int64_t u) {
  if (!WRAP) return (int32_t)(u < LOWEST ? LOWEST : u > HIGHEST ? HIGHEST : u);
  while (u < LOWEST) u += (int64_t)HIGHEST - LOWEST + 1;
  while (u > HIGHEST) u -= (int64_t)HIGHEST - LOWEST + 1;
  return (int32_t)u;
}

static void step(struct layer *l, const uint8_t *input) {
  uint8_t next[WIDEST];
  for (int i = 0; i < l->n; i++) {
    int32_t sum = 0;
    for (int j = 0; j < l->inputs; j++) sum += l->w[i * l->inputs + j] * input[j];
    for (int j = 0; l->v && j < l->n; j++) sum += l->v[i * l->n + j] * l->spike[j];
    l->u[i] = fit((int64_t)carry(l, i) + (int64_t)sum * PART + l->b[i]);
    next[i] = l->u[i] >= l->threshold[i];
  }
  memcpy(l->spike, next, (size_t)l->n);
}

int main(void) {
  static uint8_t x[STEPS * INPUTS];
  while (fread(x, 1, sizeof x, stdin) == sizeof x) {
    for (int k = 0; k < LAYERS; k++) {
      memset(layers[k].u, 0, (size_t)layers[k].n * sizeof *layers[k].u);
      memset(layers[k].spike, 0, (size_t)layers[k].n);
    }
    for (int t = 0; t < STEPS; t++)
      for (int k = 0; k < LAYERS; k++) {
        step(&layers[k], k ? layers[k - 1].spike : x + t * INPUTS);
        for (int i = 0; i < layers[k].n; i++) putchar('0' + layers[k].spike[i]);
      }
    putchar('\n');
  }
  return 0;
}
