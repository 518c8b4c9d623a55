"""Runs a pipeline of Apache Beam whose model handler takes a model from a hub, and one that embeds texts with one."""

import json
import pathlib
import sys
import tempfile

import apache_beam as beam
import tensorflow as tf
from apache_beam.ml.inference.base import RunInference
from apache_beam.ml.inference.tensorflow_inference import TFModelHandlerNumpy, TFModelHandlerTensor
from apache_beam.ml.transforms.base import MLTransform
from apache_beam.ml.transforms.embeddings.tensorflow_hub import TensorflowHubTextEmbeddings

model_url, text_url, *texts = sys.argv[1:]
out = pathlib.Path(tempfile.mkdtemp())
rows = [[1.0, 2.0], [3.0, 4.0]]
with beam.Pipeline() as pipeline:
    for name, handler, to_input in (
        ("tensor", TFModelHandlerTensor(model_uri=model_url), tf.constant),
        ("numpy", TFModelHandlerNumpy(model_uri=model_url), lambda row: tf.constant(row).numpy()),
    ):
        _ = (
            pipeline
            | f"{name} rows" >> beam.Create([to_input(row) for row in rows])
            | f"{name} model" >> RunInference(handler)
            | f"{name} values" >> beam.Map(lambda result: json.dumps(float(result.inference[0])))
            | f"{name} file" >> beam.io.WriteToText(str(out / name), shard_name_template="")
        )
with beam.Pipeline() as pipeline:
    embed = TensorflowHubTextEmbeddings(hub_url=text_url, columns=["x"])
    _ = (
        pipeline
        | beam.Create([{"x": text} for text in texts])
        | MLTransform(write_artifact_location=str(out / "artifacts")).with_transform(embed)
        | beam.Map(lambda row: json.dumps(list(row["x"])))
        | beam.io.WriteToText(str(out / "texts"), shard_name_template="")
    )
lines = {name: sorted(map(json.loads, (out / name).read_text().splitlines())) for name in ("tensor", "numpy", "texts")}
print(json.dumps(lines))
