"""Cut a font of mathematics to the signs that the site needs: ``python -m tools.math_font FILE``.

FILE is ``STIXMath-Regular.otf`` 1.1.1 (Debian's package fonts-stix). Browsers draw mathematics by a
font with a table MATH; few systems have one. What is written is ``docs/site/static/math.woff``,
under another name, as the licence asks (``math-licence.txt`` beside it).
"""

import sys
from pathlib import Path

from fontTools import subset
from fontTools.ttLib import TTFont

FILE = Path(__file__).resolve().parents[1] / "docs/site/static/math.woff"
NAME = "Refsast Math"
RENAMED = (1, 3, 4, 6)  # family, unique name, full name, PostScript name
KEPT_NAMES = [0, 1, 2, 3, 4, 6, 13, 14]  # with copyright and licence
RANGES = (
    (0x20, 0x7F),  # ASCII
    (0x391, 0x3D7),  # Greek
    (0x1D400, 0x1D468),  # bold, italic, bold italic letters
    (0x1D6A8, 0x1D71C),  # bold and italic Greek
)
SIGNS = "±·×÷¬…⋯′″‖∣∥←→↦⇒⇔↔∀∂∃∅∇∈∉∏∑−∓∘∙√∝∞∧∨∩∪∫∼≈≠≡≤≥≪≫⊂⊆⊕⊗⊙⊤⋅⋆⌈⌉⌊⌋⟨⟩⏞⏟ℎℓℝℕℤℙ𝔼𝟙ϵϕ¯¨˙ˆ˜‾―"


def signs() -> set[int]:
    """Return the code points to keep."""
    return {code for low, high in RANGES for code in range(low, high)} | set(map(ord, SIGNS))


def cut_font(source: Path, to: Path) -> None:
    """Write what is needed of a font, as WOFF."""
    options = subset.Options(flavor="woff", hinting=False, layout_features=["ssty", "dtls", "kern"])
    options.name_IDs, options.drop_tables = KEPT_NAMES, [*options.drop_tables, "FFTM"]
    font = TTFont(source, recalcTimestamp=False)
    for record in font["name"].names:
        if record.nameID in RENAMED:
            name = NAME.replace(" ", "") if record.nameID == 6 else NAME
            record.string = name.encode(record.getEncoding())
    font["CFF "].cff.fontNames = [NAME.replace(" ", "")]
    for attribute in ("FullName", "FamilyName"):
        setattr(font["CFF "].cff.topDictIndex[0], attribute, NAME)
    cutter = subset.Subsetter(options)
    cutter.populate(unicodes=signs())
    cutter.subset(font)
    subset.save_font(font, str(to), options)


if __name__ == "__main__":
    cut_font(Path(sys.argv[1]), FILE)
