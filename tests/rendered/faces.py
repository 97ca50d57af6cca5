"""Copies of the real databases with faces in them, for what looks at pixels."""

import dataclasses

from pipelines.synthetic import plan, write
from rendered import layouts


def write_rows(out, database, rows, config=None) -> None:
    """Renders listed clips into `out`, the root of a copy of `database`, with its sheets.

    Args:
        rows: list of `layouts.Row`; a clip has as many frames as its row has numbers.
        config: `SynthesisConfig`, whose layout, subjects and clip counts the rows replace.
    """
    config = dataclasses.replace(config or plan.SynthesisConfig(), layout=database)
    people = sorted({row.subject for row in rows})
    jobs = []
    for number, row in enumerate(rows):
        word = row.emotion.lower().split("+")[0]
        spec = plan.draw_spec(config, people.index(row.subject) + 1, number, word)
        length = len(row.numbers)
        spec = dataclasses.replace(spec, num_frames=length, apex=length // 2)
        paths = {t: str(layouts.frame(database, row, n)) for t, n in enumerate(row.numbers)}
        jobs.append(plan.Job(row, spec, paths))
    with write.new_folder(out) as root:
        write.write_frames(root, jobs, 1)
        for table in layouts.tables(database, rows):
            layouts.write_table(table, root)
        write.write_truth(root, jobs)
