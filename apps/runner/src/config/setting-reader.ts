import { join, resolve } from "node:path";
import type { Setting, Settings } from "../command-line/option.js";
import { flagText } from "../command-line/parse.js";
import { ValueError } from "../command-line/values.js";
import { CliError } from "../errors.js";

/** A file that was named: `name` for messages, `path` absolute. */
export interface FileRef {
  readonly name: string;
  readonly path: string;
}

/** Turns settings into values; a bad one becomes a `CliError` that says where it stands. */
export class SettingReader {
  readonly #settings: Settings;

  constructor(settings: Settings) {
    this.#settings = settings;
  }

  has(name: string): boolean {
    return this.#settings.has(name);
  }

  one<T>(name: string, parse: (text: string, setting: Setting) => T): T | undefined {
    return this.all(name, parse).at(-1);
  }

  all<T>(name: string, parse: (text: string, setting: Setting) => T): T[] {
    return (this.#settings.get(name) ?? []).map((setting) => {
      try {
        return parse(setting.text, setting);
      } catch (error) {
        if (!(error instanceof ValueError)) throw error;
        throw new CliError(`${setting.origin}: ${error.message}`, { cause: error });
      }
    });
  }

  text(name: string): string | undefined {
    return this.one(name, (text) => text);
  }

  flag(name: string): boolean {
    return this.one(name, (text, { origin }) => flagText(origin, text)) === "true";
  }

  file(name: string): FileRef | undefined {
    return this.one(name, (text, setting) => fileRef(text, setting));
  }
}

/** @throws ValueError for an empty name. */
export function fileRef(path: string, { folder }: Pick<Setting, "folder">): FileRef {
  if (path === "") throw new ValueError("a file's name is missing");
  if (folder === undefined) return { name: path, path: resolve(path) };
  return { name: path.startsWith("/") ? path : join(folder, path), path: resolve(folder, path) };
}
