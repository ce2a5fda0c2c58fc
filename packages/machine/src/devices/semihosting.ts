import type { ByteSink, ByteSource } from "../console/bytes.js";
import type { Clock } from "../contracts.js";

/** Operations (Arm, "Semihosting for AArch32 and AArch64", chapter 6); RISC-V uses the same ones. */
const Operation = {
  open: 0x01,
  close: 0x02,
  writeCharacter: 0x03,
  writeText: 0x04,
  write: 0x05,
  read: 0x06,
  readCharacter: 0x07,
  isError: 0x08,
  isTerminal: 0x09,
  seek: 0x0a,
  fileLength: 0x0c,
  clock: 0x10,
  time: 0x11,
  errorNumber: 0x13,
  commandLine: 0x15,
  heapInfo: 0x16,
  exit: 0x18,
  exitExtended: 0x20,
  elapsed: 0x30,
  tickFrequency: 0x31,
} as const;

const APPLICATION_EXIT = 0x20026n;
const FAILURE = 1;
const NOT_DONE = -1n;
/** errno values that the operations give: no such file, not such a handle, not such an operation. */
const ENOENT = 2;
const EBADF = 9;
const ENOSYS = 38;

/** Text without an end is cut here, and so is one read or write. */
const LONGEST = 1 << 20;
const PIECE = 256;
const TICKS_HZ = 1_000_000_000n;
const NS_PER_CENTISECOND = 10_000_000;

/** Names that open something: the console, and the file that tells what is supported. */
const CONSOLE = ":tt";
const FEATURES = ":semihosting-features";
/** "SHFB"; SYS_EXIT_EXTENDED is there, and standard output and standard error are two. */
const FEATURE_BYTES = Uint8Array.of(0x53, 0x48, 0x46, 0x42, 3);
/** Modes of `open` from which on a file is written. */
const FIRST_WRITING_MODE = 4;

/** Memory by virtual address, as the guest's present level sees it. */
export interface VirtualMemory {
  /** Undefined where a load would fault, or what is there is no RAM. */
  read(address: bigint, length: number): Uint8Array | undefined;
  /** False where a store would fault. */
  write(address: bigint, bytes: Uint8Array): boolean;
}

export interface SemihostingOptions {
  readonly sink: ByteSink;
  readonly source?: ByteSource | undefined;
  readonly clock: Clock;
  /** Calendar time at machine time 0: nanoseconds since 1970 UTC. */
  readonly epochNs: bigint;
  /** Command line that the guest is told. Default: an empty one. */
  readonly commandLine?: string;
  /** The guest ends with this code (0 is success). */
  readonly onExit: (code: number) => void;
}

type Handle = "input" | "output" | { at: number };

/**
 * Semihosting without the host's files: console, clocks, command line and the program's end. Opening a file fails as if
 * there were none. Handles are not in snapshots: programs open the console again, or call by character.
 */
export class Semihosting {
  private readonly options: SemihostingOptions;
  private readonly handles = new Map<number, Handle>();
  private nextHandle = 1;
  private error = 0;

  constructor(options: SemihostingOptions) {
    this.options = options;
  }

  /** Whether a call that had to wait for input would go on now. */
  get ready(): boolean {
    return (this.options.source?.available ?? 0) > 0;
  }

  /** @returns the operation's result; undefined: there is no input yet, call again. */
  call(operation: number, parameter: bigint, memory: VirtualMemory): bigint | undefined {
    const args = (count: number) => words(memory, parameter, count);
    const { clock, epochNs } = this.options;
    switch (operation) {
      case Operation.open:
        return this.open(args(3), memory);
      case Operation.close:
        return this.close(args(1));
      case Operation.writeCharacter:
        return this.writeOut(memory.read(parameter, 1), 0n);
      case Operation.writeText:
        return this.writeOut(text(memory, parameter), 0n);
      case Operation.write:
        return this.write(args(3), memory);
      case Operation.read:
        return this.read(args(3), memory);
      case Operation.readCharacter:
        return this.readCharacter();
      case Operation.isError:
        return (args(1)?.[0] ?? 0n) >> 63n;
      case Operation.isTerminal:
        return this.isTerminal(args(1));
      case Operation.seek:
        return this.seek(args(2));
      case Operation.fileLength:
        return this.fileLength(args(1));
      case Operation.clock:
        return BigInt(Math.floor(clock.now() / NS_PER_CENTISECOND));
      case Operation.time:
        return (epochNs + BigInt(Math.floor(clock.now()))) / 1_000_000_000n;
      case Operation.errorNumber:
        return BigInt(this.error);
      case Operation.commandLine:
        return this.commandLine(args(2), parameter, memory);
      case Operation.heapInfo:
        return this.heapInfo(args(1), memory);
      case Operation.exit:
      case Operation.exitExtended:
        return this.exit(args(2));
      case Operation.elapsed:
        return memory.write(parameter, doubleword(BigInt(Math.floor(clock.now())))) ? 0n : NOT_DONE;
      case Operation.tickFrequency:
        return TICKS_HZ;
      default:
        return this.failed(ENOSYS);
    }
  }

  private failed(error: number, result = NOT_DONE): bigint {
    this.error = error;
    return result;
  }

  // --- Console -------------------------------------------------------------------------------

  private writeOut(bytes: Uint8Array | undefined, done: bigint): bigint {
    if (bytes === undefined) return NOT_DONE;
    if (bytes.length > 0) this.options.sink.write(bytes);
    return done;
  }

  private readCharacter(): bigint | undefined {
    const byte = this.options.source?.read() ?? -1;
    return byte < 0 ? undefined : BigInt(byte);
  }

  // --- Handles -------------------------------------------------------------------------------

  private open(args: readonly bigint[] | undefined, memory: VirtualMemory): bigint {
    const [at = 0n, mode = 0n, length = 0n] = args ?? [];
    const bytes = memory.read(at, Math.min(Number(length), PIECE));
    if (args === undefined || bytes === undefined) return this.failed(ENOENT);
    const name = new TextDecoder().decode(bytes);
    if (name === FEATURES && mode < FIRST_WRITING_MODE) return this.handle({ at: 0 });
    if (name === CONSOLE) return this.handle(mode < FIRST_WRITING_MODE ? "input" : "output");
    return this.failed(ENOENT);
  }

  private handle(to: Handle): bigint {
    const number = this.nextHandle++;
    this.handles.set(number, to);
    return BigInt(number);
  }

  private find(args: readonly bigint[] | undefined): Handle | undefined {
    return this.handles.get(Number(args?.[0] ?? -1n));
  }

  private close(args: readonly bigint[] | undefined): bigint {
    return this.handles.delete(Number(args?.[0] ?? -1n)) ? 0n : this.failed(EBADF);
  }

  /** Results of `write` and `read` are the bytes that were not transferred. */
  private write(args: readonly bigint[] | undefined, memory: VirtualMemory): bigint {
    const [, at = 0n, length = 0n] = args ?? [];
    if (this.find(args) !== "output") return this.failed(EBADF, length);
    const count = Math.min(Number(length), LONGEST);
    const bytes = memory.read(at, count);
    return this.writeOut(bytes, length - BigInt(count)) === NOT_DONE ? length : length - BigInt(count);
  }

  private read(args: readonly bigint[] | undefined, memory: VirtualMemory): bigint | undefined {
    const [, at = 0n, length = 0n] = args ?? [];
    const handle = this.find(args);
    if (handle === undefined || handle === "output") return this.failed(EBADF, length);
    const wanted = Math.min(Number(length), LONGEST);
    const bytes = handle === "input" ? this.input(wanted) : features(handle, wanted);
    if (bytes === undefined) return undefined;
    return memory.write(at, bytes) ? length - BigInt(bytes.length) : length;
  }

  private input(wanted: number): Uint8Array | undefined {
    const { source } = this.options;
    const count = Math.min(wanted, source?.available ?? 0);
    if (count === 0 && wanted > 0) return undefined;
    return Uint8Array.from({ length: count }, () => source?.read() ?? 0);
  }

  private isTerminal(args: readonly bigint[] | undefined): bigint {
    const handle = this.find(args);
    if (handle === undefined) return this.failed(EBADF);
    return typeof handle === "string" ? 1n : 0n;
  }

  private seek(args: readonly bigint[] | undefined): bigint {
    const handle = this.find(args);
    if (handle === undefined || typeof handle === "string") return this.failed(EBADF);
    handle.at = Math.min(Number(args?.[1] ?? 0n), FEATURE_BYTES.length);
    return 0n;
  }

  private fileLength(args: readonly bigint[] | undefined): bigint {
    const handle = this.find(args);
    if (handle === undefined) return this.failed(EBADF);
    return typeof handle === "string" ? 0n : BigInt(FEATURE_BYTES.length);
  }

  // --- What is told of the machine -----------------------------------------------------------

  private commandLine(args: readonly bigint[] | undefined, parameter: bigint, memory: VirtualMemory): bigint {
    const [buffer = 0n, size = 0n] = args ?? [];
    const line = new TextEncoder().encode(this.options.commandLine ?? "");
    if (args === undefined || BigInt(line.length) >= size) return NOT_DONE;
    const written =
      memory.write(buffer, Uint8Array.from([...line, 0])) &&
      memory.write(parameter + 8n, doubleword(BigInt(line.length)));
    return written ? 0n : NOT_DONE;
  }

  /** Heap and stack are the program's own business: all zero says so. */
  private heapInfo(args: readonly bigint[] | undefined, memory: VirtualMemory): bigint {
    const at = args?.[0];
    return at !== undefined && memory.write(at, new Uint8Array(32)) ? 0n : NOT_DONE;
  }

  /** With a reason other than the application's own end there is no code. */
  private exit(args: readonly bigint[] | undefined): bigint {
    const [reason, code = 0n] = args ?? [];
    this.options.onExit(reason === APPLICATION_EXIT ? Number(BigInt.asIntN(32, code)) : FAILURE);
    return 0n;
  }
}

function features(handle: { at: number }, wanted: number): Uint8Array {
  const bytes = FEATURE_BYTES.slice(handle.at, handle.at + wanted);
  handle.at += bytes.length;
  return bytes;
}

/** Doublewords of a parameter block. */
function words(memory: VirtualMemory, address: bigint, count: number): readonly bigint[] | undefined {
  const bytes = memory.read(address, 8 * count);
  if (bytes === undefined) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  return Array.from({ length: count }, (_, index) => view.getBigUint64(8 * index, true));
}

function doubleword(value: bigint): Uint8Array {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setBigUint64(0, value, true);
  return bytes;
}

/** Up to a zero byte. */
function text(memory: VirtualMemory, address: bigint): Uint8Array | undefined {
  const found: number[] = [];
  while (found.length < LONGEST) {
    const at = address + BigInt(found.length);
    // No piece crosses a page, as the next one may be none of the text's.
    const piece = memory.read(at, PIECE - Number(at & BigInt(PIECE - 1)));
    if (piece === undefined) return undefined;
    const end = piece.indexOf(0);
    for (const byte of end < 0 ? piece : piece.subarray(0, end)) found.push(byte);
    if (end >= 0) break;
  }
  return Uint8Array.from(found);
}
