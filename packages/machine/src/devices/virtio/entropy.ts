import type { ComponentState } from "../../contracts.js";
import { StateReader } from "../../state-reader.js";
import { VIRTIO_ID_ENTROPY } from "./constants.js";
import type { VirtioDevice, VirtioHost } from "./device.js";

const STATE_VERSION = 1;
/** Bytes given for one buffer at most; the device may give fewer than there is room for. */
const ANSWER_MAX = 64 * 1024;

/** Where random bytes come from. A deterministic machine gives a `SeededEntropy`. */
export interface EntropySource {
  fill(target: Uint8Array): void;
  state?(): ComponentState;
  restore?(state: ComponentState): void;
}

/** Virtio entropy device (section 5.4). */
export class VirtioEntropy implements VirtioDevice {
  readonly name = "virtio-rng";
  readonly deviceId = VIRTIO_ID_ENTROPY;
  readonly features = 0n;
  readonly queueSizes = [8];
  readonly config = new Uint8Array(0);
  readonly #source: EntropySource;
  #host: VirtioHost | undefined;

  constructor(source: EntropySource) {
    this.#source = source;
  }

  attach(host: VirtioHost): void {
    this.#host = host;
  }

  notify(index: number): void {
    const queue = this.#host!.queues[index]!;
    for (let chain = queue.pop(); chain !== undefined; chain = queue.pop()) {
      const bytes = new Uint8Array(Math.min(chain.writableLength, ANSWER_MAX));
      this.#source.fill(bytes);
      chain.write(bytes);
      queue.push(chain);
    }
    queue.signal();
  }

  reset(): void {}

  state(): ComponentState {
    return { version: STATE_VERSION, source: this.#source.state?.() ?? null };
  }

  restore(state: ComponentState): void {
    const reader = new StateReader("virtio-rng", state, STATE_VERSION);
    if (state.source !== null) this.#source.restore?.(reader.part("source"));
  }
}
