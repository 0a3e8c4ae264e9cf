// Uploads a file with its progress, which `fetch` does not report.

import { msg } from "../state/locale.svelte";
import { Problem, listeners } from "./client";

/** Uploads a file into a collection. `onProgress` gets the number of bytes that were sent. */
export function uploadFile(
  collection: number,
  file: File,
  replace: boolean,
  onProgress: (bytes: number) => void,
): Promise<void> {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    const name = encodeURIComponent(file.name);
    request.open("PUT", `/api/v1/uploads/${collection}/${name}?replace=${replace}`);
    request.setRequestHeader("content-type", "application/octet-stream");
    request.upload.onprogress = (event) => onProgress(event.loaded);
    request.onload = () => {
      if (request.status < 300) {
        listeners.used();
        resolve();
      } else {
        reject(readProblem(request.responseText));
      }
    };
    request.onerror = () =>
      reject(new Problem("unreachable", msg("The upload was interrupted"), msg("Try again")));
    request.send(file);
  });
}

function readProblem(text: string): Problem {
  try {
    const body = JSON.parse(text);
    const problem = new Problem(body.code, body.title, body.detail);
    if (problem.code === "signed-out") listeners.signedOut();
    return problem;
  } catch {
    return new Problem("unknown", msg("The upload failed"));
  }
}
