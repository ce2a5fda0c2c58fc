/** A level-triggered interrupt input of an interrupt controller; setting the level it has is harmless. */
export interface IrqLine {
  set(level: boolean): void;
}
