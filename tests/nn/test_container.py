"""Sequential, ModuleList, ModuleDict, ParameterList."""

from collections import OrderedDict

import pytest

import clnn
from clnn import nn
from clnn.errors import DTypeError, IndexOutOfRangeError, SettingError


def names(module):
    return [name for name, _ in module.named_children()]


def test_sequential_is_made_in_several_ways():
    a, b = nn.Linear(2, 3), nn.ReLU()
    assert names(nn.Sequential(a, b)) == ["0", "1"]
    assert names(nn.Sequential(OrderedDict(first=a, then=b))) == ["first", "then"]
    model = nn.Sequential()
    model.add(a)
    model.add(b, name="act")
    model.append(nn.Tanh())
    assert names(model) == ["0", "act", "2"]
    assert model.act is b
    assert model(clnn.ones(1, 2)).shape == (1, 3)
    assert model.layers() == [a, b, model[2]]
    with pytest.raises(SettingError, match="expected a new name, got 'act'"):
        model.add(b, name="act")
    with pytest.raises(SettingError, match="expected a new name, got '1'"):
        nn.Sequential({"1": a}).append(b)
    with pytest.raises(DTypeError, match="Sequential: expected a Module, got function"):
        model.add(clnn.relu)
    with pytest.raises(DTypeError, match="Sequential: expected a Module, got int"):
        nn.Sequential(a, 3)


@pytest.mark.parametrize("kind", ["Sequential", "ModuleList"])
def test_indexing(kind):
    layers = [nn.Linear(2, 2), nn.ReLU(), nn.Tanh()]
    model = nn.Sequential(*layers) if kind == "Sequential" else nn.ModuleList(layers)
    assert len(model) == 3
    assert list(model) == layers
    assert model[0] is layers[0]
    assert model[-1] is layers[2]
    assert layers[1] in model
    assert type(model[1:]) is type(model)
    assert list(model[1:]) == layers[1:]
    assert names(model[1:]) == ["0", "1"]
    model[1] = nn.Sigmoid()
    assert isinstance(model[1], nn.Sigmoid)
    del model[0]
    assert names(model) == ["0", "1"]
    model.insert(1, nn.ELU())
    assert [type(m).__name__ for m in model] == ["Sigmoid", "ELU", "Tanh"]
    model.extend([nn.GELU()])
    del model[:2]
    assert [type(m).__name__ for m in model] == ["Tanh", "GELU"]
    with pytest.raises(IndexOutOfRangeError, match="expected an index below 2 or a name, got 2"):
        model[2]


def test_module_dict():
    table = nn.ModuleDict({"a": nn.ReLU(), "b": nn.Linear(2, 2)})
    assert table.keys() == ["a", "b"]
    assert len(table) == 2
    assert "a" in table
    assert list(table) == ["a", "b"]
    assert list(nn.ModuleDict.from_config(table.get_config())) == ["a", "b"]
    table["c"] = nn.Tanh()
    assert isinstance(table.pop("a"), nn.ReLU)
    assert [name for name, _ in table.items()] == ["b", "c"]
    assert len(list(table.parameters())) == 2
    with pytest.raises(IndexOutOfRangeError, match=r"expected one of .*, got 'a'"):
        table["a"]


def test_parameter_list():
    values = nn.ParameterList([clnn.ones(2), nn.Parameter(clnn.zeros(3))])
    assert len(values) == 2
    assert [n for n, _ in values.named_parameters()] == ["0", "1"]
    assert values[1].shape == (3,)
    again = nn.ParameterList.from_config(values.get_config())
    assert [p.tolist() for p in again] == [[1, 1], [0, 0, 0]]


def test_nested_configs_rebuild():
    model = nn.Sequential(
        OrderedDict(
            body=nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.ReLU(), nn.Flatten()),
            heads=nn.ModuleList([nn.Dense(3), nn.Linear(4, 5, bias=False)]),
        )
    )
    again = nn.build_module(nn.module_config(model))
    assert repr(again) == repr(model)
    again[0].load_state_dict(model[0].state_dict())
    x = clnn.ones(2, 1, 5, 5)
    assert again.body.eval()(x).tolist() == model.body.eval()(x).tolist()
