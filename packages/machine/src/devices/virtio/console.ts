import type { ByteSink, ByteSource } from "../../console/bytes.js";
import type { ComponentState } from "../../contracts.js";
import { StateReader } from "../../state-reader.js";
import { featureSet, VIRTIO_ID_CONSOLE } from "./constants.js";
import type { VirtioDevice, VirtioHost } from "./device.js";

const STATE_VERSION = 1;
const QUEUE_SIZE = 256;
const RECEIVE = 0;
const TRANSMIT = 1;

/** Feature bits (section 5.3.3). */
const F_SIZE = 0;
const F_EMERG_WRITE = 2;

/** Configuration space (section 5.3.4). */
const CONFIG_EMERG_WRITE = 8;

/** Output taken from one buffer; real drivers send pages. More in one buffer is dropped. */
const TRANSMIT_MAX = 1024 * 1024;
const CHUNK = 64 * 1024;

export interface VirtioConsoleOptions {
  readonly sink: ByteSink;
  readonly source?: ByteSource | undefined;
  /** Size of the terminal in characters. Default 80 by 25. */
  readonly columns?: number;
  readonly rows?: number;
}

/** Virtio console (section 5.3) with one port. */
export class VirtioConsole implements VirtioDevice {
  readonly name = "virtio-console";
  readonly deviceId = VIRTIO_ID_CONSOLE;
  readonly features = featureSet(F_SIZE, F_EMERG_WRITE);
  readonly queueSizes = [QUEUE_SIZE, QUEUE_SIZE];
  readonly config = new Uint8Array(12);
  readonly #sink: ByteSink;
  readonly #source: ByteSource | undefined;
  readonly #view = new DataView(this.config.buffer);
  #host: VirtioHost | undefined;

  constructor(options: VirtioConsoleOptions) {
    this.#sink = options.sink;
    this.#source = options.source;
    this.#view.setUint16(0, options.columns ?? 80, true);
    this.#view.setUint16(2, options.rows ?? 25, true);
    this.#view.setUint32(4, 1, true);
    this.#source?.onReadable(() => this.#host?.run(() => this.#receive()));
  }

  attach(host: VirtioHost): void {
    this.#host = host;
  }

  notify(queue: number): void {
    if (queue === TRANSMIT) this.#transmit();
    else if (queue === RECEIVE) this.#receive();
  }

  /** The terminal has another size now. */
  resize(columns: number, rows: number): void {
    this.#view.setUint16(0, columns, true);
    this.#view.setUint16(2, rows, true);
    this.#host?.configChanged();
  }

  writeConfig(offset: number, _width: number, value: number): void {
    // Emergency write: works before any queue exists, one character at a time.
    if (offset === CONFIG_EMERG_WRITE) this.#sink.write(Uint8Array.of(value & 0xff));
  }

  reset(): void {}

  state(): ComponentState {
    return {
      version: STATE_VERSION,
      columns: this.#view.getUint16(0, true),
      rows: this.#view.getUint16(2, true),
    };
  }

  restore(state: ComponentState): void {
    const reader = new StateReader("virtio-console", state, STATE_VERSION);
    this.#view.setUint16(0, reader.u16("columns"), true);
    this.#view.setUint16(2, reader.u16("rows"), true);
  }

  #transmit(): void {
    const queue = this.#host!.queues[TRANSMIT]!;
    for (let chain = queue.pop(); chain !== undefined; chain = queue.pop()) {
      let left = Math.min(chain.readableLeft, TRANSMIT_MAX);
      while (left > 0) {
        const bytes = chain.read(Math.min(left, CHUNK));
        left -= bytes.length;
        this.#sink.write(bytes);
      }
      queue.push(chain, 0);
    }
    queue.signal();
  }

  #receive(): void {
    const source = this.#source;
    const queue = this.#host!.queues[RECEIVE]!;
    if (source === undefined) return;
    while (source.available > 0) {
      const chain = queue.pop();
      if (chain === undefined) break;
      const bytes = new Uint8Array(Math.min(source.available, chain.writableLength, CHUNK));
      for (let index = 0; index < bytes.length; index++) bytes[index] = source.read();
      chain.write(bytes);
      queue.push(chain);
    }
    queue.signal();
  }
}
