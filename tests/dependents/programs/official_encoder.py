"""Takes an encoder from a hub as the tasks of tf-models-official do, and compares it with what its export noted."""

import json
import pathlib
import sys

import numpy as np
import tensorflow as tf
import tensorflow_hub as hub
from official.nlp.tasks import utils

model = utils.get_encoder_from_hub(sys.argv[1])
ids = tf.constant([[1, 2, 3], [4, 5, 0]])
inputs = {"input_word_ids": ids, "input_mask": tf.sign(ids), "input_type_ids": tf.zeros_like(ids)}
pooled = model(inputs)["pooled_output"].numpy()
expected = json.loads(pathlib.Path(hub.resolve(sys.argv[1]), "assets.extra", "pooled.json").read_text())
difference = float(np.abs(pooled - np.array(expected)).max())
print(json.dumps({"shape": pooled.shape, "trainable": len(model.trainable_weights), "difference": difference}))
