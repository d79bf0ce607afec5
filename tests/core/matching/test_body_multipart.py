from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, TypeAlias

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamtape.core.matching.body import BodyKind, find_parts, read_body
from streamtape.core.matching.key import match_input_of, request_key
from streamtape.core.model import Request

if TYPE_CHECKING:
    from hypothesis.strategies import DrawFn

Part: TypeAlias = tuple[str, str | None, str | None, bytes]
"""Name, file name, content type and content of a part of a form."""


def post(body: bytes, media_type: str | None = "application/json") -> Request:
    headers = () if media_type is None else (("Content-Type", media_type),)
    return Request(method="POST", target="/v1/files", headers=headers, body=body)


def form(*parts: bytes, boundary: str = "b") -> Request:
    line = boundary.encode()
    body = b"".join(b"--%b\r\n%b\r\n" % (line, part) for part in parts)
    return post(
        body + b"--%b--\r\n" % line, f"multipart/form-data; boundary={boundary}"
    )


def test_a_part_says_its_name_file_name_and_type() -> None:
    request = form(
        b'Content-Disposition: form-data; name="file"; filename="a b.txt"\r\n'
        b"Content-Type: text/plain; charset=utf-8\r\n\r\nHello\r\n",
        b"content-disposition: form-data; name=purpose\r\n\r\nbatch",
        b"\r\n\x00\xff",
    )

    assert read_body(request) == (
        BodyKind.MULTIPART,
        {
            "parts": [
                {
                    "name": "file",
                    "filename": "a b.txt",
                    "content_type": "text/plain",
                    "content": "Hello\r\n",
                },
                {"name": "purpose", "content": "batch"},
                {
                    "content": {
                        "bytes": 2,
                        "sha256": hashlib.sha256(b"\x00\xff").hexdigest(),
                    }
                },
            ]
        },
    )


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        pytest.param("été.txt".encode(), "été.txt", id="utf-8"),
        pytest.param(b"\xe9t\xe9.txt", "été.txt", id="latin-1"),
        pytest.param(b'a\\"b', 'a"b', id="quoted"),
    ],
)
def test_the_name_of_a_file_is_read_as_clients_write_it(
    name: bytes, expected: str
) -> None:
    part = b'Content-Disposition: form-data; filename="%b"\r\n\r\nx' % name

    assert read_body(form(part))[1] == {
        "parts": [{"filename": expected, "content": "x"}]
    }


def test_a_part_without_a_blank_line_is_all_content() -> None:
    assert read_body(form(b"one line"))[1] == {"parts": [{"content": "one line"}]}


def test_a_part_whose_headers_are_endless_is_all_content() -> None:
    part = b"Content-Disposition: form-data" + b";" * 1_000_000 + b"\r\n\r\nx"

    assert read_body(form(part))[1] == {"parts": [{"content": part.decode()}]}


def test_a_form_without_parts_has_none() -> None:
    assert find_parts(form()) == []
    assert read_body(form()) == (BodyKind.MULTIPART, {"parts": []})


def test_what_surrounds_the_parts_is_left_out() -> None:
    request = post(
        b"before\r\n--b \t\r\n\r\none\r\n--b\r\n\r\ntwo\r\n--b--\r\nbehind",
        'multipart/mixed; charset=utf-8; Boundary="b"',
    )

    assert find_parts(request) == [b"\r\none", b"\r\ntwo"]


def test_a_boundary_within_a_line_does_not_cut() -> None:
    assert find_parts(form(b"\r\none --b two")) == [b"\r\none --b two"]


@pytest.mark.parametrize(
    "media_type",
    [
        pytest.param("multipart/form-data", id="no-boundary"),
        pytest.param('multipart/form-data; boundary=""', id="empty-boundary"),
        pytest.param("multipart/form-data; boundary=c", id="other-boundary"),
        pytest.param("text/plain; boundary=b", id="no-multipart"),
        pytest.param("multipart/form-data; boundary*=utf-8''b", id="extended"),
        pytest.param("multipart/form-data; boundary=\udcff", id="not-utf-8"),
    ],
)
def test_a_body_that_cannot_be_cut_is_its_text(media_type: str) -> None:
    request = post(b"--b\r\n\r\nx\r\n--b--", media_type)

    assert find_parts(request) is None
    assert read_body(request) == (BodyKind.RAW, request.body.decode())


def test_a_form_that_was_cut_short_is_its_text() -> None:
    request = post(b"--b\r\n\r\nx\r\n--b\r\n\r\ny", "multipart/form-data; boundary=b")

    assert read_body(request) == (BodyKind.RAW, request.body.decode())


# In the key


def multipart(boundary: str, parts: list[Part]) -> Request:
    line = boundary.encode()
    body = b"".join(b"--%b\r\n%b\r\n" % (line, written_part(part)) for part in parts)
    return post(
        body + b"--%b--\r\n" % line,
        media_type=f"multipart/form-data; boundary={boundary}",
    )


def written_part(
    part: Part, semicolon: str = "; ", quote: str = '"', *, swapped: bool = False
) -> bytes:
    name, file_name, media_type, content = part
    said = f"form-data{semicolon}name={quote}{name}{quote}"
    if file_name is not None:
        said += f"{semicolon}filename={quote}{file_name}{quote}"
    lines = [f"Content-Disposition: {said}\r\n"]
    if media_type is not None:
        lines.append(f"Content-Type: {media_type}\r\n")
    if swapped:
        lines.reverse()
    return "".join(lines).encode() + b"\r\n" + content


names = st.sampled_from(["file", "purpose", "a1"])


parts = st.lists(
    st.tuples(
        names,
        st.none() | names,
        st.none() | st.sampled_from(["text/plain", "application/pdf"]),
        st.binary(max_size=4) | st.sampled_from([b"\r\n\r\n", b"--", b"\r\n--other"]),
    ),
    max_size=3,
)


@st.composite
def forms(draw: DrawFn, of: list[Part]) -> Request:
    """Write a form with any boundary, and its parts' headers in any spelling."""
    boundary = draw(st.sampled_from(["----first1f0c", "second9", "a'b(c)"]))
    pieces = []
    for part in of:
        piece = written_part(
            part,
            draw(st.sampled_from([";", "; ", ";\r\n "])),
            draw(st.sampled_from(['"', ""])),
            swapped=draw(st.booleans()),
        )
        head, blank, content = piece.partition(b"\r\n\r\n")
        if draw(st.booleans()):
            head = head.replace(b"Content-", b"CONTENT-").replace(b"name=", b"NAME=")
        pieces.append(head + blank + content)
    padding = draw(st.sampled_from([b"", b" \t"]))
    delimiter = b"\r\n--" + boundary.encode()
    body = b"".join(b"%b%b\r\n%b" % (delimiter, padding, piece) for piece in pieces)
    before, behind = draw(
        st.tuples(st.sampled_from([b"", b"x"]), st.sampled_from([b"", b"\r\n"]))
    )
    quote = draw(
        st.sampled_from(['"']) if "(" in boundary else st.sampled_from(['"', ""])
    )
    return post(
        (before + body + delimiter + b"--" + behind).removeprefix(b"\r\n"),
        media_type=f"Multipart/form-data; Boundary={quote}{boundary}{quote}",
    )


@given(st.data(), parts)
def test_a_form_in_any_spelling_has_the_same_key(
    data: st.DataObject, of: list[Part]
) -> None:
    one, other = data.draw(forms(of)), data.draw(forms(of))

    assert match_input_of(one).kind is BodyKind.MULTIPART
    assert request_key(one) == request_key(other)


@given(st.data(), parts, parts)
def test_forms_of_equal_parts_and_only_they_have_the_same_key(
    data: st.DataObject, one: list[Part], other: list[Part]
) -> None:
    keys = {request_key(data.draw(forms(of))) for of in (one, other)}

    assert (len(keys) == 1) == (one == other)


@given(st.data(), parts.filter(bool))
def test_one_changed_part_changes_the_key(data: st.DataObject, of: list[Part]) -> None:
    index = data.draw(st.integers(0, len(of) - 1))
    changed = data.draw(parts.filter(bool))[0]
    others = [*of[:index], changed, *of[index + 1 :]]
    keys = {request_key(data.draw(forms(each))) for each in (of, others)}

    assert (len(keys) == 1) == (changed == of[index])


def test_a_part_cannot_pass_for_two() -> None:
    one = multipart("b", [("a", None, None, b"x\r\n\r\ny")])
    two = multipart("b", [("a", None, None, b"x"), ("a", None, None, b"y")])

    assert request_key(one) != request_key(two)


def test_file_names_that_are_no_ascii_are_in_the_key() -> None:
    keys = {
        request_key(multipart("b", [("file", name, None, b"x")]))
        for name in ("é.txt", "è.txt", "??.txt", "\ufffd\ufffd.txt")
    }

    assert len(keys) == 4


@pytest.mark.parametrize("part", [b"one", b"two: 1", b"three\r\n"])
def test_a_part_without_a_blank_line_is_in_the_key(part: bytes) -> None:
    def key(part: bytes) -> str:
        body = b"--b\r\n" + part + b"\r\n--b--"
        return request_key(post(body, media_type="multipart/form-data; boundary=b"))

    assert key(part) != key(part + b"x")
