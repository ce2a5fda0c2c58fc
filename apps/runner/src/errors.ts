import { EXIT } from "./exit-codes.js";

/** Something a person must put right: printed as one line, without a stack. */
export class CliError extends Error {
  override readonly name = "CliError";
  readonly exitCode: number;

  constructor(message: string, options: { readonly exitCode?: number; readonly cause?: unknown } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.exitCode = options.exitCode ?? EXIT.usage;
  }
}

/** Errors of the other packages whose message is one line for a person. Known by name, as their classes may be doubled. */
const SPOKEN = new Set(["HyperError", "MachineError", "EngineError", "PagingError", "EmbeddedGuestError"]);
/** Codes that mean a bug and not bad input. */
const BUGS = new Set(["Internal", "BadState"]);

/**
 * Bad input as a `CliError`; undefined for what is a bug.
 * @param exitCode of errors that do not have one of their own.
 */
export function asCliError(error: unknown, exitCode: number = EXIT.usage): CliError | undefined {
  if (error instanceof CliError) return error;
  if (!(error instanceof Error)) return undefined;
  const { code } = error as { code?: unknown };
  if (SPOKEN.has(error.name) && !BUGS.has(String(code))) {
    return new CliError(firstLine(error.message), { exitCode, cause: error });
  }
  if (error.name === "GuestError") {
    const usage = ["UnknownGuest", "BadMirror"].includes(String(code));
    return new CliError(firstLine(error.message), {
      exitCode: usage ? EXIT.usage : EXIT.failure,
      cause: error,
    });
  }
  return undefined;
}

/** Tells of an error: in one line where it is bad input, with its stack where it is a bug. Gives the exit code. */
export function reportError(error: unknown, stderr: { write(text: string): unknown }): number {
  const known = asCliError(error);
  if (known !== undefined) {
    stderr.write(`hypercraft: ${known.message}\n`);
    return known.exitCode;
  }
  const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
  stderr.write(`hypercraft: internal error: ${text}\n`);
  return EXIT.failure;
}

/** The words for an error of a system call on a file, without path and call. */
export function fileErrorText(error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException;
  return SYSTEM_ERRORS[code ?? ""] ?? firstLine(String(message ?? error));
}

const SYSTEM_ERRORS: Readonly<Record<string, string>> = {
  ENOENT: "no such file",
  ENOTDIR: "no such file",
  EACCES: "permission denied",
  EPERM: "not permitted",
  EISDIR: "is a folder",
  EROFS: "the file system is read-only",
  ENOSPC: "no space left",
  EMFILE: "too many open files",
  ELOOP: "too many symbolic links",
  ENAMETOOLONG: "the name is too long",
  EIO: "input/output error",
  ENXIO: "no such device",
};

function firstLine(text: string): string {
  return text.split("\n", 1)[0] ?? "";
}
