"""The page of one film that was read in the app."""

from hilum.pages.reading_sheet import ReadingSheet, SheetModel, render_reading_sheet


def test_every_word_is_escaped_and_every_picture_is_inside() -> None:
    model = SheetModel("<i>arm", "ill", "Probability 70.0%.", [("ill", 0.7)], [("model", "m & n")], [("map <1>", b"png")])
    sheet = ReadingSheet("<b>", [("file", "<PNG>")], ["odd & old"], b"film", [model], "Not for diagnosis.", "today")
    text = render_reading_sheet(sheet)
    for raw in ("<i>arm", "<PNG>", "m & n", "map <1>", "odd & old"):
        assert raw not in text
    for told in ("&lt;i&gt;arm", "70.0%", "Not for diagnosis.", "odd &amp; old", "data:image/png;base64,cG5n"):
        assert told in text
