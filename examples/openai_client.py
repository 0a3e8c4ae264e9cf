#!/usr/bin/env python3
"""Asks a question through OpenAI's Python client, with a personal API token of the scope `ask`.

    pip install openai
    SSL_CERT_FILE=data/tls/ca.pem CLOISTER_TOKEN=… examples/openai_client.py https://127.0.0.1:8443/v1 "question"
"""

import os
import sys

import openai


def main():
    base_url, question = sys.argv[1:]
    client = openai.OpenAI(base_url=base_url, api_key=os.environ["CLOISTER_TOKEN"])
    messages = [{"role": "user", "content": question}]
    answer = client.chat.completions.create(model="cloister", messages=messages)
    message = answer.choices[0].message
    print(message.content)
    for annotation in message.annotations:
        print(annotation.url_citation.url)


main()
