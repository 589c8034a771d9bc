"""What Sphinx is told: the sources are in ``build/site-source``, where `build.py` puts them."""

import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path[:0] = [str(HERE), str(ROOT)]

project = "refsast"
copyright = "the refsast authors"
extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.intersphinx",
    "sphinx.ext.napoleon",
    "sphinx.ext.viewcode",
    "sphinx_copybutton",
    "sphinx_design",
    "adapter_sources",
    "code_names",
    "mathml",
    "signatures",
]
root_doc = "index"
exclude_patterns = ["**/.ipynb_checkpoints"]
highlight_language = "text"
default_role = "py:obj"
show_warning_types = True

# Markdown and notebooks. The notebooks come with their outputs; nothing is executed here.
nb_execution_mode = "off"
nb_merge_streams = True
nb_code_prompt_show = "Show the solution"
nb_code_prompt_hide = "Hide the solution"
myst_enable_extensions = ["attrs_block", "colon_fence", "dollarmath"]
myst_dmath_allow_labels = False
myst_heading_anchors = 4

# Docstrings.
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
autodoc_preserve_defaults = True
napoleon_google_docstring = False
napoleon_use_ivar = True
napoleon_use_rtype = False
python_use_unqualified_type_names = True
python_maximum_signature_line_length = 80
add_module_names = False
toc_object_entries_show_parents = "hide"

# Other projects' names, from files that are here: nothing is fetched.
OTHERS = {
    "python": "https://docs.python.org/3/",
    "numpy": "https://numpy.org/doc/stable/",
    "scipy": "https://docs.scipy.org/doc/scipy/",
    "matplotlib": "https://matplotlib.org/stable/",
    "torch": "https://docs.pytorch.org/docs/stable/",
}
INVENTORIES = ROOT / "build" / "site-source" / "inventories"
intersphinx_mapping = {
    name: (address, str(INVENTORIES / f"{name}.inv")) for name, address in OTHERS.items()
}
intersphinx_disabled_reftypes = ["std:*"]

# The page.
html_theme = "furo"
pygments_dark_style = "github-dark"
html_title = "refsast"
html_static_path = [str(HERE / "static")]
html_favicon = str(HERE / "static" / "favicon.svg")
html_css_files = ["site.css"]
html_math_renderer = "mathml"
html_copy_source = False
html_show_sourcelink = False
html_show_sphinx = False
html_theme_options = {"navigation_with_keys": True}
copybutton_exclude = ".linenos, .gp, .go"
copybutton_prompt_text = r">>> |\.\.\. "
copybutton_prompt_is_regexp = True
