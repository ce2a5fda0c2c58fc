import type { GuestMemory, Stateful } from "../../contracts.js";
import type { VirtQueue } from "./queue.js";

/** What a transport gives to its device. */
export interface VirtioHost {
  readonly memory: GuestMemory;
  readonly queues: readonly VirtQueue[];
  /** Whether the driver negotiated a feature bit. */
  hasFeature(bit: number): boolean;
  /** Tells the driver that the configuration space changed. */
  configChanged(): void;
  /**
   * Runs work that touches queues outside of `notify` (a completion, new input). A protocol error in it puts
   * the device in need of a reset. Does nothing while the driver has not set up the device, or after such an
   * error.
   */
  run(work: () => void): void;
}

/**
 * One kind of virtio device, independent of its transport. Methods are called by the transport only; they
 * may throw `VirtioFault` where the guest broke the protocol.
 */
export interface VirtioDevice extends Stateful {
  /** What messages and states call it. */
  readonly name: string;
  /** Device type (section 5). */
  readonly deviceId: number;
  /** Offered feature bits of this kind of device. The transport adds those of the rings. */
  readonly features: bigint;
  /** Largest size of each queue. */
  readonly queueSizes: readonly number[];
  /** Device configuration space as the driver reads it, little-endian. */
  readonly config: Uint8Array;
  attach(host: VirtioHost): void;
  /** The driver made buffers available. */
  notify(queue: number): void;
  /** The driver wrote to the configuration space. The device decides what that changes in `config`. */
  writeConfig?(offset: number, width: number, value: number): void;
  /** Drops all requests under way. They must not touch guest memory any more. */
  reset(): void;
}
