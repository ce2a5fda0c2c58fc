import type { ComponentState } from "../../contracts.js";
import type { VirtioDevice, VirtioHost } from "../virtio/device.js";

/** Answers each buffer with the bytes it got, reversed. Feature 3 is its own. */
export class Echo implements VirtioDevice {
  readonly name = "echo";
  readonly deviceId: number = 42;
  readonly features = 1n << 3n;
  readonly queueSizes = [16, 4];
  readonly config = Uint8Array.of(1, 2, 3, 4, 5, 6);
  host!: VirtioHost;
  resets = 0;
  written: [number, number, number][] = [];
  notified: number[] = [];

  attach(host: VirtioHost): void {
    this.host = host;
  }
  notify(index: number): void {
    this.notified.push(index);
    const queue = this.host.queues[index]!;
    for (let chain = queue.pop(); chain !== undefined; chain = queue.pop()) {
      chain.write(chain.read(1 << 20).reverse());
      queue.push(chain);
    }
    queue.signal();
  }
  writeConfig(offset: number, width: number, value: number): void {
    this.written.push([offset, width, value]);
  }
  reset(): void {
    this.resets++;
  }
  state(): ComponentState {
    return { version: 1 };
  }
  restore(): void {}
}
