#!/usr/bin/env python
# -*- coding: utf-8 -*-
"""Embeds sentences, as the page of a module for TensorFlow 1 showed it."""
from __future__ import print_function

import os

import tensorflow as tf
import tensorflow_hub as hub

os.environ["TFHUB_CACHE_DIR"] = os.environ.get("CACHE", "cache")

module_url = "https://tfhub.dev/google/universal-sentence-encoder/2"
embed = hub.Module(module_url)

messages = ["That band rocks!", "Größe und Länge", "the end"]
tf.logging.set_verbosity(tf.logging.ERROR)

with tf.Session() as session:
    session.run([tf.global_variables_initializer(), tf.tables_initializer()])
    result = session.run(embed(messages))
