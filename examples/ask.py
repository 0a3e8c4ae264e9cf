#!/usr/bin/env python3
"""Signs in, asks a question, and prints the quotes of the answer.

    CLOISTER_PASSWORD=… examples/ask.py https://127.0.0.1:8443 data/tls/ca.pem NAME "question"

Uses only the standard library. The certificate is the appliance's own CA, in its data folder.
"""

import http.cookiejar
import json
import os
import ssl
import sys
import urllib.error
import urllib.request


class Client:
    """A session with one appliance."""

    def __init__(self, url, ca_file):
        context = ssl.create_default_context(cafile=ca_file)
        self.url = url.rstrip("/") + "/api/v1"
        self.opener = urllib.request.build_opener(
            urllib.request.HTTPSHandler(context=context),
            urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar()),
        )

    def request(self, method, path, body=None):
        """Sends a request. Returns the open response."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data=data, method=method)
        request.add_header("content-type", "application/json")
        return self.opener.open(request)

    def sign_in(self, name, password):
        self.request("POST", "/session", {"name": name, "password": password}).close()

    def sign_out(self):
        self.request("DELETE", "/session").close()

    def ask(self, question):
        """Yields the events of the answer as dictionaries."""
        with self.request("POST", "/answers", {"question": question}) as response:
            for line in response:
                if line.startswith(b"data:"):
                    yield json.loads(line[5:])


def print_event(event):
    if event["event"] == "quote":
        print(f"[{event['number']}] {event['text']}\n    {event['title']}, page {event['page']}")
    elif event["event"] == "refusal":
        print(event["reason"])
    elif event["event"] == "sentence":
        print(f"    model: {event['text']}")
    elif event["event"] == "error":
        print(f"error: {event['title']}", file=sys.stderr)


def main():
    password = os.environ.get("CLOISTER_PASSWORD")
    if len(sys.argv) != 5 or not password:
        sys.exit(__doc__)
    url, ca_file, name, question = sys.argv[1:]
    client = Client(url, ca_file)
    try:
        client.sign_in(name, password)
        for event in client.ask(question):
            print_event(event)
        client.sign_out()
    except urllib.error.HTTPError as error:
        problem = json.load(error)
        sys.exit(f"error: {problem.get('title')}. {problem.get('detail') or ''}")


if __name__ == "__main__":
    main()
