import type { GicOutputs } from "../interrupts/cpu-interface.js";

/** What a GIC told its CPUs last. */
export class CpuLines implements GicOutputs {
  irq = false;
  fiq = false;
  virtualIrq = false;
  virtualFiq = false;

  setIrq(level: boolean): void {
    this.irq = level;
  }

  setFiq(level: boolean): void {
    this.fiq = level;
  }

  setVirtualIrq(level: boolean): void {
    this.virtualIrq = level;
  }

  setVirtualFiq(level: boolean): void {
    this.virtualFiq = level;
  }
}

/** A small random number generator: the same sequence for the same seed. */
export function random(seed: number): (below: number) => number {
  let state = seed >>> 0;
  return (below) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}
