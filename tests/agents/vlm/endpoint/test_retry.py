from __future__ import annotations

import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from testbed.agents.vlm.endpoint import retry
from testbed.agents.vlm.endpoint.retry import RetryBudget, retry_after_s

NOW = datetime.datetime(2026, 11, 30, 12, 0, 0, tzinfo=datetime.UTC)


def test_waits_double_up_to_a_bound_and_differ_by_chance(monkeypatch) -> None:
    monkeypatch.setattr(retry, "FIRST_WAIT_S", 0.5)
    budget = RetryBudget(1e6, 100)
    for tried, plain_s in ((1, 0.5), (2, 1.0), (3, 2.0), (7, 30.0), (50, 30.0)):
        waits = [budget.wait_s(tried, 0.0) for _ in range(50)]
        assert all(plain_s * 0.75 <= wait <= plain_s * 1.25 for wait in waits) and len(set(waits)) > 1


def test_the_budget_counts_tries_and_seconds() -> None:
    budget = RetryBudget(10.0, 3)
    assert budget.wait_s(1, 0.0, 4.0) == 4.0
    assert budget.wait_s(3, 0.0) is None
    assert budget.wait_s(1, 9.0, 1.0) is None and budget.wait_s(1, 0.0, 3600.0) is None
    assert RetryBudget(0.0, 9).wait_s(1, 0.0) is None


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (None, None), ("7", 7.0), (" 0 ", 0.0), ("soon", None), ("-3", None), ("1.5", None), ("", None),
        ("Mon, 30 Nov 2026 12:00:30 GMT", 30.0), ("Mon, 30 Nov 2026 11:59:00 GMT", 0.0),
    ],
)  # fmt: skip
def test_both_forms_of_retry_after(header, seconds) -> None:
    assert retry_after_s(header, NOW) == seconds


@given(st.text(max_size=40))
def test_no_header_raises(header) -> None:
    assert (retry_after_s(header) or 0.0) >= 0.0
