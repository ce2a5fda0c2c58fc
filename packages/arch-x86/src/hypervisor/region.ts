import { type HostPhysAddr, type HyperCraftHal, HyperError, PAGE_SIZE } from "@hypercraft/hypercraft";

/** A frame of the host's with these bytes, and 0 behind them. Throws NoMemory. */
export function frameWith(hal: HyperCraftHal, bytes: Uint8Array): HostPhysAddr {
  const frame = hal.allocPage();
  if (frame === undefined) throw new HyperError("NoMemory", "no frame is left for VMX");
  const target = new Uint8Array(hal.memory.buffer, hal.physToVirt(frame), PAGE_SIZE);
  target.fill(0);
  target.set(bytes);
  return frame;
}

/** A VMXON region or a VMCS as software prepares it: zero but for the revision. Throws NoMemory. */
export function regionFrame(hal: HyperCraftHal, revision: number): HostPhysAddr {
  const first = new Uint8Array(4);
  new DataView(first.buffer).setUint32(0, revision, true);
  return frameWith(hal, first);
}
