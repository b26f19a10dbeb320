"""Pools of codes."""

from pathlib import Path

import pytest

from campaigns.small_shop import SmallShop
from rapport import warehouse
from rapport.campaigns import vouchers
from rapport.errors import InputError


def test_codes_are_read_one_a_line(tmp_path: Path) -> None:
    (tmp_path / "codes.txt").write_text("\ufeffAB-1\r\n\n  AB-2  \nÄ3\n", encoding="utf-8")
    assert vouchers.read_codes(tmp_path / "codes.txt") == ["AB-1", "AB-2", "Ä3"]


@pytest.mark.parametrize("line", ["two words", "A\tB", "x" * 101, "a\u200bb"])
def test_what_is_no_code_is_named_by_its_line(tmp_path: Path, line: str) -> None:
    (tmp_path / "codes.txt").write_text(f"AB-1\n{line}\n", encoding="utf-8")
    with pytest.raises(InputError, match=r"codes.txt, line 2: a code is one word of at most 100"):
        vouchers.read_codes(tmp_path / "codes.txt")


def test_codes_can_be_added_again_and_again(shop: SmallShop) -> None:
    with warehouse.connect(shop.url) as connection:
        assert vouchers.import_codes(connection, "spring", ["A", "B", "B"]) == vouchers.Imported(2, 1)
        assert vouchers.import_codes(connection, "spring", ["B", "C"]) == vouchers.Imported(1, 1)
        assert vouchers.import_codes(connection, "autumn", ["A"]) == vouchers.Imported(1, 0)
        assert vouchers.pools(connection) == [vouchers.Pool("autumn", 1, 0), vouchers.Pool("spring", 3, 0)]
