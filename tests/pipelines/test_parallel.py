"""Workers: order, bounds, errors, and one that dies."""

import os

import pytest

from pipelines import parallel, schema


def double(item, factor):
    return item * factor, os.getpid()


def fail(item, factor):
    raise schema.DataError(f"item {item}")


def die(item, factor):
    os._exit(1)


def test_one_job_stays_in_this_process():
    assert list(parallel.run(double, [1, 2], 10, jobs=1)) == [(10, os.getpid()), (20, os.getpid())]


def test_nothing_to_do():
    assert list(parallel.run(double, [], 10)) == []


def test_results_come_in_order_from_other_processes():
    results = list(parallel.run(double, list(range(40)), 3, jobs=2))
    assert [value for value, _ in results] == [3 * i for i in range(40)]
    assert os.getpid() not in {pid for _, pid in results}


def test_items_are_not_all_taken_at_once():
    taken = []

    class Items(list):
        def __iter__(self):
            for item in range(100):
                taken.append(item)
                yield item

        def __len__(self):
            return 100

    results = parallel.run(double, Items(), 1, jobs=2)
    next(results)
    assert len(taken) <= parallel.AHEAD * 2 + 1
    results.close()


def test_errors_come_through():
    with pytest.raises(schema.DataError, match="item 0"):
        list(parallel.run(fail, [0, 1], 1, jobs=2))


def test_a_process_that_dies_is_named():
    with pytest.raises(schema.DataError, match="a worker process died"):
        list(parallel.run(die, [0, 1], 1, jobs=2))
