"""``python -m benchmarks``: measures the claims and writes BENCHMARKS.md."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

import click
from rich.console import Console

from benchmarks import (
    backend_step,
    batch_scaling,
    cli_time,
    cold_resolve,
    hub_throughput,
    import_time,
    inspect_time,
    layer_call,
    load_time,
    module_time,
    report,
    training_step,
    warm_resolve,
)
from benchmarks.measuring import ROOT, Setting

BENCHMARKS = {
    module.__name__.rpartition(".")[2]: module
    for module in (
        import_time,
        cli_time,
        inspect_time,
        warm_resolve,
        cold_resolve,
        load_time,
        layer_call,
        training_step,
        backend_step,
        module_time,
        hub_throughput,
        batch_scaling,
    )
}


@click.command()
@click.argument("names", nargs=-1, type=click.Choice(list(BENCHMARKS)))
@click.option("--rounds", type=click.IntRange(1), help="Rounds of each measurement, instead of the usual number.")
@click.option(
    "--text", is_flag=True, help="Measure nothing: write claims, methods and commands anew around the numbers."
)
@click.option("--quick", is_flag=True, help="Only see that it works: few rounds, small downloads, nothing written.")
def main(names: tuple[str, ...], rounds: int | None, text: bool, quick: bool) -> None:
    """Measure rehub beside its peers: all benchmarks, or those in NAMES.

    Their sections of BENCHMARKS.md are written anew. REHUB_PEER_PYTHON names a Python with tensorflow_hub 0.16.1,
    REHUB_KERAS2_PYTHON one with tf_keras, REHUB_TF215_PYTHON one with TensorFlow 2.15 and tensorflow_hub 0.15.0,
    REHUB_KERAS_JAX_PYTHON and REHUB_KERAS_TORCH_PYTHON ones with JAX and PyTorch, REHUB_DOWNLOADERS_PYTHON one with
    kagglehub and huggingface_hub, REHUB_SCALE_PYTHON one with Ray and pyarrow.
    """
    console = Console()
    if not console.is_terminal:
        console.width = 140  # else a log would get tables of 80 characters
    page = ROOT / "BENCHMARKS.md"
    if text:
        page.write_text(report.rewritten(BENCHMARKS.values(), page.read_text(encoding="utf-8")), encoding="utf-8")
        return
    results = []
    with tempfile.TemporaryDirectory(prefix="rehub-benchmarks-") as folder:
        setting = Setting(Path(folder), rounds, quick)
        for name in names or BENCHMARKS:
            module = BENCHMARKS[name]
            own = Path(folder, name)
            own.mkdir()
            start = time.perf_counter()
            results.append((module, module.measure(Setting(own, rounds, quick))))
            report.print_table(console, *results[-1])
            console.print(f"({time.perf_counter() - start:.0f} s)\n", highlight=False)
        if not quick:
            before = page.read_text(encoding="utf-8") if names else ""
            page.write_text(report.markdown(BENCHMARKS.values(), results, setting, before), encoding="utf-8")
            console.print(f"Written: {page}")


if __name__ == "__main__":
    main()
