"""What happens when it trains? Presets, the loop, evaluation, records, comparisons, pages."""
