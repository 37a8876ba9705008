"""Three tables as people have them: dates, free text, ids, categories, gaps; drawn by seed, so that nobody's data are in them."""

import numpy as np
import pandas as pd

__all__ = ["TABLES"]

_WORDS = {
    "late": ["waited", "weeks", "parcel", "never", "arrived", "courier", "late", "delay", "tracking", "lost"],
    "broken": ["screen", "cracked", "stopped", "working", "faulty", "returned", "broken", "noise", "repair", "dead"],
    "praise": ["perfect", "lovely", "thank", "quick", "recommend", "happy", "excellent", "great", "easy", "smooth"],
}
_FILLER = ["the", "order", "was", "with", "my", "to", "and", "for", "it", "again", "please", "about", "this", "box"]


def _said(rng: np.random.Generator, topic: str, length: int = 12) -> str:
    """A few words, half of them of a topic."""
    return " ".join(str(rng.choice(_WORDS[topic] if rng.random() < 0.5 else _FILLER)) for _ in range(length))


def _days(rng: np.random.Generator, n: int) -> pd.DatetimeIndex:
    return pd.Timestamp("2021-01-04") + pd.to_timedelta(rng.integers(0, 900, n), unit="D")


def support(seed: int, n: int = 3000) -> tuple[pd.DataFrame, str]:
    """Tickets: which are escalated, by what they say, how long they lie and how much was paid."""
    rng = np.random.default_rng([seed, 1])
    topic = rng.choice(list(_WORDS), n, p=[0.3, 0.3, 0.4])
    frame = pd.DataFrame({"ticket_id": [f"T-{k:07}" for k in rng.permutation(10**7 - 1)[:n]], "opened": _days(rng, n)})
    frame["opened"] = frame["opened"].dt.strftime("%d/%m/%Y")
    frame["message"] = [_said(rng, str(one)) for one in topic]
    frame["channel"] = rng.choice(["mail", "phone", "chat"], n)
    frame["paid"] = rng.lognormal(3.5, 1, n).round(2)
    frame["days_open"] = rng.poisson(4, n)
    push = 1.6 * (topic == "broken") + 0.8 * (topic == "late") - 1.6 * (topic == "praise")
    push = push + 0.3 * (frame["days_open"] - 4) + 0.4 * (np.log(frame["paid"]) - 3.5)
    frame["escalated"] = rng.random(n) < 1 / (1 + np.exp(-2 * push))
    frame.loc[rng.random(n) < 0.05, "paid"] = np.nan
    return frame, "escalated"


def shop(seed: int, n: int = 4000) -> tuple[pd.DataFrame, str]:
    """Orders: their value, by season, weekday, town, quantity and a loyal customer's discount."""
    rng = np.random.default_rng([seed, 2])
    when = _days(rng, n) + pd.to_timedelta(rng.integers(0, 86_400, n), unit="s")
    frame = pd.DataFrame({"order": [f"{k:08x}" for k in rng.integers(0, 2**32, n)], "when": when})
    frame["town"] = rng.choice(["Bergen", "Oslo", "Bodø", "Tromsø", "Å"], n, p=[0.3, 0.4, 0.15, 0.148, 0.002])
    frame["quantity"] = rng.poisson(3, n) + 1
    frame["loyal"] = rng.choice(["yes", "no"], n)
    frame["currency"] = "NOK"
    year, week = when.dayofyear / 365.25, when.dayofweek
    base = 40 + 15 * np.sin(2 * np.pi * (year - 0.2)) + 10 * (week >= 5) + 8 * (frame["town"] == "Oslo")
    value = base * frame["quantity"] * np.where(frame["loyal"] == "yes", 0.85, 1.0)
    frame["value"] = (value + rng.normal(0, 15, n)).round(2)
    frame.loc[rng.random(n) < 0.04, "town"] = None
    return frame, "value"


def clinic(seed: int, n: int = 2500) -> tuple[pd.DataFrame, str]:
    """Visits: how urgent they are, by age, pulse, pain, notes and when the last visit was."""
    rng = np.random.default_rng([seed, 3])
    visit = _days(rng, n)
    frame = pd.DataFrame({"patient_number": rng.integers(10**6, 10**7, n), "visit": visit.strftime("%Y-%m-%d")})
    frame["last_visit"] = (visit - pd.to_timedelta(rng.exponential(120, n).round(), unit="D")).strftime("%Y-%m-%d")
    frame["age"] = rng.normal(55, 18, n).clip(1, 99).round()
    frame["pulse"] = rng.normal(78, 12, n).round()
    frame["pain"] = rng.integers(0, 11, n)
    grave = rng.random(n) < 0.3
    words = {
        True: ["chest", "pressure", "faint", "breath", "sudden", "severe"],
        False: ["check", "routine", "mild", "cough", "prescription", "renewal"],
    }
    frame["note"] = [" ".join(map(str, rng.choice(words[bool(one)], 8))) for one in grave]
    push = 0.5 * (frame["pain"] - 5) + 0.08 * (frame["pulse"] - 78) + 2.5 * grave - 0.8 + 0.02 * (frame["age"] - 55)
    frame["urgency"] = np.select([push > 2, push > 0], ["high", "medium"], "low")
    frame.loc[rng.random(n) < 0.08, "pulse"] = np.nan
    return frame, "urgency"


TABLES = {"support": support, "shop": shop, "clinic": clinic}
