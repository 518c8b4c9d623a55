"""Embeds with langchain-community's TensorflowHubEmbeddings, at its default URL."""

import json
import sys

from langchain_community.embeddings import TensorflowHubEmbeddings

model = TensorflowHubEmbeddings()
documents = sys.argv[1:]
print(json.dumps([*model.embed_documents(documents), model.embed_query(documents[0])]))
