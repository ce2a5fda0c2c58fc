// Priorities of interrupts: SDM volume 3, 11.8.3. Bits 7:4 of a vector are its class, which decides.

/** A vector is let through while something of this priority holds the processor. */
export const isAbove = (vector: number, priority: number): boolean => vector >> 4 > priority >> 4;

/** PPR, from TPR and the highest vector in service. */
export function processorPriority(taskPriority: number, inService: number): number {
  return taskPriority >> 4 >= inService >> 4 ? taskPriority : inService & 0xf0;
}
