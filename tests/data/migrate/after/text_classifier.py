"""Trains a classifier of film reviews on a text embedding."""
import numpy as np
import tensorflow as tf
import rehub as hub

HANDLE = "https://tfhub.dev/google/nnlm-en-dim128/2"

texts = np.array(["a good film", "a bad film", "good", "bad word"], dtype=object)
labels = np.array([1.0, 0.0, 1.0, 0.0], dtype=np.float32)
train = tf.data.Dataset.from_tensor_slices((texts.astype(str), labels)).batch(2)

embedding = hub.KerasLayer(HANDLE, input_shape=[], dtype=tf.string, trainable=True)
model = tf.keras.Sequential([
    embedding,
    tf.keras.layers.Dense(16, activation='relu'),  # small
    tf.keras.layers.Dense(1),
])
model.compile(
    optimizer=tf.keras.optimizers.Adam(learning_rate=1e-3),
    loss=tf.keras.losses.BinaryCrossentropy(from_logits=True),
    metrics=['accuracy'])
history = model.fit(train, epochs=2, verbose=0)
result = model.predict(train, verbose=0)
