"""Exports a tiny BERT encoder as tf-models-official publishes its own, with what it gives for some words beside it."""

import json
import pathlib
import sys
import tempfile

import tensorflow as tf
import tf_keras  # noqa: F401 - what official imports beside tensorflow
from official.legacy.bert import configs
from official.nlp.tools import export_tfhub_lib

folder = pathlib.Path(tempfile.mkdtemp())
config = configs.BertConfig(
    vocab_size=100,
    hidden_size=16,
    intermediate_size=32,
    max_position_embeddings=128,
    num_attention_heads=2,
    num_hidden_layers=1,
)
model, encoder = export_tfhub_lib._create_model(bert_config=config, encoder_config=None, with_mlm=False)
prefix = tf.train.Checkpoint(encoder=encoder).save(str(folder / "test"))
words = folder / "vocabulary.txt"
words.write_text("word\n")
export_tfhub_lib.export_model(
    export_path=sys.argv[1],
    bert_config=config,
    encoder_config=None,
    model_checkpoint_path=prefix,
    with_mlm=False,
    vocab_file=str(words),
    sp_model_file=None,
    do_lower_case=True,
)
ids = tf.constant([[1, 2, 3], [4, 5, 0]])
inputs = {"input_word_ids": ids, "input_mask": tf.sign(ids), "input_type_ids": tf.zeros_like(ids)}
pooled = model(inputs)["pooled_output"].numpy().tolist()
extra = pathlib.Path(sys.argv[1], "assets.extra")
extra.mkdir(exist_ok=True)
(extra / "pooled.json").write_text(json.dumps(pooled))
