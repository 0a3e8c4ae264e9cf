// Uploads into a collection: the list of files with their progress, sent one after another.

import { Problem } from "../api/client";
import { uploadFile } from "../api/upload";
import { t } from "./locale.svelte";

export type Upload = {
  file: File;
  /** The number of bytes that were sent. */
  done: number;
  state: "waiting" | "sending" | "sent" | "failed";
  problem?: string;
  /** Whether a file of this name exists, so that it can be replaced. */
  exists?: boolean;
};

export class UploadQueue {
  uploads = $state<Upload[]>([]);
  #isSending = false;

  /** Adds files, and sends all that wait, one after another, so that each has the full connection. */
  async add(files: Iterable<File>, collection: number) {
    for (const file of files) this.uploads.push({ file, done: 0, state: "waiting" });
    if (this.#isSending) return;
    this.#isSending = true;
    for (;;) {
      const next = this.uploads.find((upload) => upload.state === "waiting");
      if (!next) break;
      await this.send(next, collection, false);
    }
    this.#isSending = false;
  }

  async send(upload: Upload, collection: number, replace: boolean) {
    upload.state = "sending";
    upload.problem = undefined;
    upload.exists = false;
    try {
      await uploadFile(collection, upload.file, replace, (done) => (upload.done = done));
      upload.state = "sent";
    } catch (cause) {
      upload.state = "failed";
      upload.problem =
        cause instanceof Problem ? cause.message : t("The upload failed. Try again.");
      upload.exists = cause instanceof Problem && cause.code === "conflict";
    }
  }

  /** Removes all but the file that is being sent and those that wait. */
  clear() {
    this.uploads = this.uploads.filter(({ state }) => state === "sending" || state === "waiting");
  }
}
