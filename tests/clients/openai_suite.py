"""Uses the appliance through OpenAI's own Python client, and prints what it got as JSON.

    SSL_CERT_FILE=ca.pem openai_suite.py https://127.0.0.1:8443/v1 TOKEN
"""

import json
import sys

import openai


def main():
    base_url, token = sys.argv[1:]
    client = openai.OpenAI(base_url=base_url, api_key=token, max_retries=0)
    question = {"role": "user", "content": "How long are hands cleaned with alcohol rub?"}
    follow_up = {"role": "user", "content": "And how often?"}
    whole = client.chat.completions.create(model="cloister", messages=[question])
    message = whole.choices[0].message
    chunks = list(client.chat.completions.create(model="cloister", messages=[question], stream=True))
    deltas = [chunk.choices[0].delta.content or "" for chunk in chunks]
    refused = client.chat.completions.create(
        model="cloister", messages=[{"role": "user", "content": "Who painted the Mona Lisa?"}]
    )
    parts = [{"type": "text", "text": question["content"]}]
    in_parts = client.chat.completions.create(model="cloister", messages=[{"role": "user", "content": parts}])
    after = client.chat.completions.create(
        model="cloister", messages=[question, {"role": "assistant", "content": message.content}, follow_up]
    )
    embedder = client.models.list().data[1].id
    embedded = client.embeddings.create(model=embedder, input=["hands", "feet"])
    as_numbers = client.embeddings.create(model=embedder, input="hands", encoding_format="float")
    print(
        json.dumps(
            {
                "models": [model.id for model in client.models.list().data],
                "content": message.content,
                "annotations": [annotation.url_citation.model_dump() for annotation in message.annotations],
                "usage": whole.usage.total_tokens,
                "streamed": "".join(deltas),
                "finish": chunks[-1].choices[0].finish_reason,
                "refused": refused.choices[0].message.content,
                "in_parts": in_parts.choices[0].message.content,
                "after": after.choices[0].message.content,
                "dimensions": [len(item.embedding) for item in embedded.data],
                "same": max(
                    abs(a - b) for a, b in zip(embedded.data[0].embedding, as_numbers.data[0].embedding, strict=True)
                ),
                "errors": errors(client, base_url),
            }
        )
    )


def errors(client, base_url):
    """The classes and codes of errors, by what was tried."""
    message = [{"role": "user", "content": "x"}]
    tool = {"type": "function", "function": {"name": "f", "parameters": {}}}
    tried = {
        "model": lambda: client.chat.completions.create(model="gpt-4o", messages=message),
        "tools": lambda: client.chat.completions.create(model="cloister", messages=message, tools=[tool]),
        "token": lambda: openai.OpenAI(base_url=base_url, api_key="wrong", max_retries=0).models.list(),
    }
    found = {}
    for name, attempt in tried.items():
        try:
            attempt()
        except openai.APIStatusError as error:
            found[name] = [type(error).__name__, error.code]
    return found


main()
