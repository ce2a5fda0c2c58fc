import type { ComponentState, Plain } from "../../contracts.js";
import type { BlockBackEnd } from "../../disk/back-end.js";
import { MachineError } from "../../errors.js";
import type { DeviceIo, IoTicket } from "../../io/device-io.js";
import { StateReader } from "../../state-reader.js";
import type { Chain, Segment } from "./chain.js";
import { featureSet, VIRTIO_ID_BLOCK } from "./constants.js";
import type { VirtioDevice, VirtioHost } from "./device.js";
import { VirtioFault } from "./queue.js";

const STATE_VERSION = 1;
const SECTOR = 512;
const QUEUE_SIZE = 256;

/** Feature bits (section 5.2.3). */
const F_SEG_MAX = 2;
const F_RO = 5;
const F_BLK_SIZE = 6;
const F_FLUSH = 9;
const F_DISCARD = 13;
const F_WRITE_ZEROES = 14;

/** Request types (section 5.2.6). */
const T_IN = 0;
const T_OUT = 1;
const T_FLUSH = 4;
const T_GET_ID = 8;
const T_DISCARD = 11;
const T_WRITE_ZEROES = 13;

const S_OK = 0;
const S_IOERR = 1;
const S_UNSUPPORTED = 2;

/** Most data segments a driver may use: with header and status a chain fits the queue. */
const SEGMENTS_MAX = QUEUE_SIZE - 2;
/** Most bytes a request may move: bounds what a guest can make the host allocate. */
const REQUEST_MAX = 32 * 1024 * 1024;
/** Sectors that one discard or write-zeroes request may cover. */
const CLEAR_MAX_SECTORS = 0x1f_ffff;
/** Zeros written at a time where a back end cannot discard. */
const ZERO_CHUNK = 1024 * 1024;
const CLEAR_SEGMENT_SIZE = 16;
const CLEAR_FLAG_UNMAP = 1;

export interface VirtioBlockOptions {
  readonly backEnd: BlockBackEnd;
  readonly io: DeviceIo;
  /** Answer to GET_ID: up to 20 ASCII characters, shown as the serial number. */
  readonly serial?: string;
}

/** A request between submission and completion. */
interface Request {
  readonly chain: Chain;
  ticket: IoTicket | undefined;
}

/** What a request does on the host's side, and what it answers. */
interface Plan {
  readonly work: () => void | Promise<void>;
  /** Bytes for the guest, filled by `work`. */
  readonly answer?: Uint8Array;
}

/** Virtio block device (section 5.2) with one queue. Sectors have 512 bytes. */
export class VirtioBlock implements VirtioDevice {
  readonly name = "virtio-blk";
  readonly deviceId = VIRTIO_ID_BLOCK;
  readonly features: bigint;
  readonly queueSizes = [QUEUE_SIZE];
  readonly config = new Uint8Array(60);
  readonly #disk: BlockBackEnd;
  readonly #io: DeviceIo;
  readonly #serial: Uint8Array;
  #host: VirtioHost | undefined;
  /** By submission. */
  readonly #requests = new Set<Request>();

  constructor(options: VirtioBlockOptions) {
    this.#disk = options.backEnd;
    this.#io = options.io;
    this.#serial = new TextEncoder().encode(options.serial ?? "").subarray(0, 20);
    const bits = [F_SEG_MAX, F_BLK_SIZE, F_FLUSH];
    if (this.#disk.readOnly) bits.push(F_RO);
    else {
      bits.push(F_WRITE_ZEROES);
      if (this.#disk.discard !== undefined) bits.push(F_DISCARD);
    }
    this.features = featureSet(...bits);
    const view = new DataView(this.config.buffer);
    view.setBigUint64(0, BigInt(this.#sectors), true);
    view.setUint32(12, SEGMENTS_MAX, true);
    view.setUint32(20, SECTOR, true);
    // max_discard_sectors, max_discard_seg, discard_sector_alignment
    view.setUint32(36, CLEAR_MAX_SECTORS, true);
    view.setUint32(40, 1, true);
    view.setUint32(44, 1, true);
    // max_write_zeroes_sectors, max_write_zeroes_seg, write_zeroes_may_unmap
    view.setUint32(48, CLEAR_MAX_SECTORS, true);
    view.setUint32(52, 1, true);
    view.setUint8(56, this.#disk.discard === undefined ? 0 : 1);
  }

  attach(host: VirtioHost): void {
    this.#host = host;
  }

  notify(index: number): void {
    const queue = this.#host!.queues[index]!;
    for (let chain = queue.pop(); chain !== undefined; chain = queue.pop()) this.#submit(chain);
  }

  reset(): void {
    for (const request of this.#requests) request.ticket?.cancel();
    this.#requests.clear();
  }

  state(): ComponentState {
    const requests: Plain[] = [];
    for (const { chain, ticket } of this.#requests) {
      if (ticket?.due === undefined) {
        throw new MachineError(
          "NotSupported",
          "a disk request is under way: let I/O come to rest before saving",
        );
      }
      requests.push({
        head: chain.head,
        due: ticket.due,
        readable: chain.readable.map(segmentPlain),
        writable: chain.writable.map(segmentPlain),
      });
    }
    return { version: STATE_VERSION, requests, disk: this.#disk.state?.() ?? null };
  }

  restore(state: ComponentState): void {
    const reader = new StateReader("virtio-blk", state, STATE_VERSION);
    this.reset();
    if (state.disk !== null && this.#disk.restore !== undefined) this.#disk.restore(reader.part("disk"));
    const queue = this.#host!.queues[0]!;
    for (const saved of reader.parts("requests")) {
      const request = new StateReader("virtio-blk", { ...saved, version: STATE_VERSION }, STATE_VERSION);
      const readable = segments(request, "readable");
      const writable = segments(request, "writable");
      this.#submit(queue.rebuild(request.u16("head"), readable, writable), request.deadline("due"));
    }
  }

  get #sectors(): number {
    return Math.floor(this.#disk.size / SECTOR);
  }

  #submit(chain: Chain, due?: number): void {
    if (chain.writableLength < 1) {
      throw new VirtioFault("a disk request has no room for its status");
    }
    const request: Request = { chain, ticket: undefined };
    this.#requests.add(request);
    let plan: Plan | number = S_IOERR;
    const ticket = this.#io.submit(
      {
        work: () => {
          // Parsed only now: where work begins late, the snapshot has the request as it came.
          plan = this.#plan(chain);
          return typeof plan === "number" ? undefined : plan.work();
        },
        done: (error) => this.#complete(request, error === undefined ? plan : S_IOERR),
      },
      due,
    );
    if (this.#requests.has(request)) request.ticket = ticket;
  }

  #complete(request: Request, plan: Plan | number): void {
    this.#requests.delete(request);
    this.#host!.run(() => {
      const { chain } = request;
      const queue = this.#host!.queues[0]!;
      if (typeof plan !== "number" && plan.answer !== undefined) chain.write(plan.answer);
      chain.writeFromEnd(1, typeof plan === "number" ? plan : S_OK);
      queue.push(chain, chain.written + 1);
      queue.signal();
    });
  }

  /** Reads the header and checks the request. A number is the status to answer without work. */
  #plan(chain: Chain): Plan | number {
    if (chain.readableLength < 16) return S_IOERR;
    const header = chain.read(16);
    const view = new DataView(header.buffer);
    const type = view.getUint32(0, true);
    // Beyond 2^53 it is out of range in any case.
    const sector = view.getUint32(8, true) + view.getUint32(12, true) * 2 ** 32;
    switch (type) {
      case T_IN:
        return this.#planRead(chain, sector);
      case T_OUT:
        return this.#planWrite(chain, sector);
      case T_FLUSH:
        return { work: () => this.#disk.flush() };
      case T_GET_ID: {
        const answer = new Uint8Array(Math.min(20, chain.writableLength - 1));
        answer.set(this.#serial.subarray(0, answer.length));
        return { work() {}, answer };
      }
      case T_DISCARD:
      case T_WRITE_ZEROES:
        return this.#planClear(chain, type);
      default:
        return S_UNSUPPORTED;
    }
  }

  #planRead(chain: Chain, sector: number): Plan | number {
    const length = chain.writableLength - 1;
    if (!this.#fits(sector, length)) return S_IOERR;
    const answer = new Uint8Array(length);
    return { work: () => this.#disk.read(sector * SECTOR, answer), answer };
  }

  #planWrite(chain: Chain, sector: number): Plan | number {
    const length = chain.readableLeft;
    if (this.#disk.readOnly || !this.#fits(sector, length)) return S_IOERR;
    const bytes = chain.read(length);
    return { work: () => this.#disk.write(sector * SECTOR, bytes) };
  }

  /** Discard and write zeroes carry their ranges as data (section 5.2.6.1). */
  #planClear(chain: Chain, type: number): Plan | number {
    if (this.#disk.readOnly || (type === T_DISCARD && this.#disk.discard === undefined)) return S_UNSUPPORTED;
    // One segment is what the configuration space allows.
    if (chain.readableLeft !== CLEAR_SEGMENT_SIZE) return S_IOERR;
    const view = new DataView(chain.read(CLEAR_SEGMENT_SIZE).buffer);
    const sector = view.getUint32(0, true) + view.getUint32(4, true) * 2 ** 32;
    const sectors = view.getUint32(8, true);
    const flags = view.getUint32(12, true);
    const known = type === T_WRITE_ZEROES ? CLEAR_FLAG_UNMAP : 0;
    if ((flags & ~known) !== 0) return S_UNSUPPORTED;
    if (sectors > CLEAR_MAX_SECTORS || sector + sectors > this.#sectors) return S_IOERR;
    const [offset, length] = [sector * SECTOR, sectors * SECTOR];
    const disk = this.#disk;
    if (disk.discard !== undefined) return { work: () => disk.discard!(offset, length) };
    return { work: () => writeZeros(disk, offset, length) };
  }

  #fits(sector: number, length: number): boolean {
    return length % SECTOR === 0 && length <= REQUEST_MAX && sector + length / SECTOR <= this.#sectors;
  }
}

async function writeZeros(disk: BlockBackEnd, offset: number, length: number): Promise<void> {
  const zeros = new Uint8Array(Math.min(length, ZERO_CHUNK));
  for (let done = 0; done < length; done += zeros.length) {
    await disk.write(offset + done, zeros.subarray(0, Math.min(zeros.length, length - done)));
  }
}

function segmentPlain({ address, length }: Segment): Plain {
  return [address, length];
}

function segments(reader: StateReader, field: string): Segment[] {
  return reader.list(field).map((item) => {
    const [address, length] = Array.isArray(item) ? item : [];
    if (!Number.isSafeInteger(address) || !Number.isSafeInteger(length) || address < 0 || length < 0) {
      throw new MachineError("BadSnapshot", "state of 'virtio-blk' has a request that makes no sense");
    }
    return { address, length };
  });
}
