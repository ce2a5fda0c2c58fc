/**
 * The interfaces where a machine meets its devices, its CPUs and its host. All are structural: any object of
 * the right shape will do. Those that CPUs share with machines come from `@hypercraft/hypercraft`.
 */
export type {
  AccessWidth,
  Clock,
  DeviceWidth,
  GuestMemory,
  IrqLine,
  MmioDevice,
  TimerHandle,
  TimerQueue,
} from "@hypercraft/hypercraft";

/**
 * Plain data: JSON plus `Uint8Array` and `bigint`. All state that a snapshot keeps is of this type.
 * `undefined` fields are not allowed.
 */
export type Plain =
  | null
  | boolean
  | number
  | string
  | bigint
  | Uint8Array
  | readonly Plain[]
  | { readonly [key: string]: Plain };

/** State of one component. `version` is raised when the meaning of the fields changes. */
export interface ComponentState {
  readonly version: number;
  readonly [field: string]: Plain;
}

/** Whatever a snapshot covers. */
export interface Stateful {
  state(): ComponentState;
  /** Throws `MachineError` with code `BadSnapshot` when the state is not one of this component. */
  restore(state: ComponentState): void;
}
