"""Telegram's HTML as the simulation reads it."""

import pytest

from termin_bot.simulation.telegram_html import parse_html
from termin_bot.simulation.telegram_wire import ApiError


@pytest.mark.parametrize(
    ("source", "text", "entities"),
    [
        ("plain > text & more &copy; &unknown;", "plain > text & more &copy; &unknown;", []),
        ("&lt;b&gt; &amp;amp; &quot; &#8364; &#x20AC;", '<b> &amp; " € €', []),
        ("<b>bold</b>", "bold", [("bold", 0, 4)]),
        ("<STRONG>a</STRONG><em>b</em>", "ab", [("bold", 0, 1), ("italic", 1, 1)]),
        ("🎉<u>ü</u>", "🎉ü", [("underline", 2, 1)]),
        ("<b>a<i>b</i></b>", "ab", [("bold", 0, 2), ("italic", 1, 1)]),
        ("  <b> x </b>\n", "x", [("bold", 0, 1)]),
        ("<b></b>nothing", "nothing", []),
        ("<s>a</s><span class='tg-spoiler'>b</span>", "ab", [("strikethrough", 0, 1), ("spoiler", 1, 1)]),
        ("<blockquote expandable>q</blockquote>", "q", [("expandable_blockquote", 0, 1)]),
        ("a<b>c</>", "ac", [("bold", 1, 1)]),
    ],
)
def test_tags_become_entities(source: str, text: str, entities: list[tuple[str, int, int]]) -> None:
    """The person sees the text; the entities count in UTF-16 units."""
    plain, found = parse_html(source)

    assert plain == text
    assert [(entity["type"], entity["offset"], entity["length"]) for entity in found] == entities


def test_links_emoji_and_code_keep_their_details() -> None:
    """A link has its address, a custom emoji its id, a listing its language."""
    _, entities = parse_html(
        '<a href="https://example.org/?a=1&amp;b=2">site</a> <a>bare.example</a>'
        '<tg-emoji emoji-id="5">👍</tg-emoji><pre><code class="language-python">x</code></pre>'
    )

    assert [(entity["type"], *list(entity.values())[3:]) for entity in entities] == [
        ("text_link", "https://example.org/?a=1&b=2"),
        ("text_link", "bare.example"),
        ("custom_emoji", "5"),
        ("pre", "python"),
    ]


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("<b>open", 'Can\'t find end tag corresponding to start tag "b"'),
        ("<b>crossed<i></b></i>", 'Unmatched end tag at byte offset 13, expected "</i>", found "</b>"'),
        ("stray</b>", "Unexpected end tag at byte offset 5"),
        ("ü <div>x</div>", 'Unsupported start tag "div" at byte offset 3'),
        ("<span>x</span>", 'Unsupported start tag "span" at byte offset 0'),
        ("1 < 2", 'Unsupported start tag "" at byte offset 2'),
        ("Anna <3", 'Unsupported start tag "3" at byte offset 5'),
        ("<b", 'Unsupported start tag "b" at byte offset 0'),
    ],
)
def test_malformed_html_is_refused(source: str, reason: str) -> None:
    """A name that was not escaped fails here as it would in production."""
    with pytest.raises(ApiError) as refused:
        parse_html(source)

    assert (refused.value.status, refused.value.description) == (400, f"Bad Request: can't parse entities: {reason}")
