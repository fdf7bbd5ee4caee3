"""What every picture is drawn on: an empty figure, fonts that have Chinese, words in a language."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from riskmodel.domain import Language
from riskmodel.wording import has, text

BLUE = "#2f6690"


class Say:
    """The words of a picture, in the language for which a font is there."""

    def __init__(self, language: Language) -> None:
        self.language = language

    def __call__(self, code: str, **slots: object) -> str:
        """Return a picture's sentence, or the evaluation's of that name."""
        for prefix in ("evaluation.picture", "evaluation"):
            if has(f"{prefix}.{code}", self.language):
                return text(f"{prefix}.{code}", self.language, **slots)
        return code.removeprefix("model.")


@contextmanager
def figure_file(file: Path, language: Language, *, size: tuple[float, float]) -> Iterator[tuple[Any, Say]]:
    """Give an empty figure, and write it as PNG at the end. Without a Chinese font it speaks English."""
    from matplotlib import rc_context
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    # In English too, a township goes by its own name.
    font = _chinese_font()
    fonts = ["DejaVu Sans", *([font] if font else [])]
    if language == "zh":
        fonts.reverse()
    plain = {"font.family": fonts, "axes.spines.top": False, "axes.spines.right": False}
    with rc_context({"axes.unicode_minus": False, **plain}):
        figure = Figure(figsize=size, layout="constrained")
        FigureCanvasAgg(figure)
        yield figure, Say(language if font else "en")
        file.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(file, dpi=150)


def _chinese_font() -> str | None:
    from matplotlib import font_manager

    try:
        from pylopdf_fonts_zh_cn import sans_path
    except ImportError:
        return None
    font_manager.fontManager.addfont(sans_path())
    return str(font_manager.FontProperties(fname=sans_path()).get_name())


def percent_axis(axis: Any) -> None:
    """Tell shares in per cent along an axis."""
    from matplotlib.ticker import FuncFormatter, NullFormatter

    axis.set_major_formatter(FuncFormatter(lambda share, _: f"{share * 100:g} %"))
    axis.set_minor_formatter(NullFormatter())


def small_print(figure: Any, words: str) -> None:
    """Set small words below a figure."""
    figure.supxlabel(words, fontsize=8.5, color="#555555", x=0.01, ha="left")
