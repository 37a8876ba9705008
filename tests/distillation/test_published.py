"""Settings of papers: complete, citable, parsable, and changed by the word that names them."""

import dataclasses
import re

import pytest

from engram.distillation.distiller import distill
from engram.distillation.hypergradients import Unroll
from engram.distillation.methods.performance_matching import PerformanceMatching
from engram.distillation.published import PUBLISHED, method_of, network_of
from engram.errors import SettingError, UnknownNameError
from engram.spec import names, parse, render


@pytest.mark.parametrize("name", PUBLISHED)
def test_each_is_a_plain_value_with_a_citation(name):
    setting = PUBLISHED[name]
    assert re.search(r"\b20\d\d, .+ arXiv \d{4}\.\d{5}$", setting.paper)
    assert name not in names("methods")
    for method in (setting.method, setting.quick):
        assert parse("methods", render(method)) == method
    assert type(setting.method) is type(setting.quick)
    assert method_of(name) == setting.method
    assert network_of(f"{name}:labels=hard") == setting.network


def test_every_family_of_the_field_is_named():
    assert {
        "dd",
        "rat-bptt",
        "kip",
        "frepo",
        "rcig",
        "dc",
        "dsa",
        "idc",
        "lgm",
        "dm",
        "ncfm",
        "mtt",
        "tesla",
        "datm",
    } < set(PUBLISHED)


def test_a_word_changes_fields_and_keeps_the_rest():
    changed = method_of("rat-bptt:steps=5")
    assert changed == dataclasses.replace(PUBLISHED["rat-bptt"].method, steps=5)
    assert changed.hypergradient == Unroll(200, 60, random=True, constant=True)
    assert method_of("idc:formation=1").formation == 1
    assert method_of("performance-matching:steps=7", PerformanceMatching(noise=0.5)) == PerformanceMatching(
        steps=7, noise=0.5
    )
    assert network_of("performance-matching") is None


def test_fields_that_only_go_with_those_of_the_setting_are_accepted():
    """The last segment of MTT is allowed by its own 9,750 steps, and would not be by the default's 600."""
    assert method_of("mtt:last=40").last == 40
    with pytest.raises(SettingError, match="segments start"):
        method_of("mtt:last=60")


def test_unknown_words_name_the_nearest():
    with pytest.raises(UnknownNameError, match="rat-bptt"):
        method_of("rat-bppt")
    with pytest.raises(UnknownNameError, match="augment"):
        method_of("dsa:augmentation=crop")


def test_a_paper_runs_by_name(wine):
    from engram.learning.networks.mlp import MLP

    memory = distill(wine, "dm:steps=2,batch=8,augment=,rate=0.1", network=MLP(width=8))
    assert memory.provenance["method"].startswith("distribution-matching:")
