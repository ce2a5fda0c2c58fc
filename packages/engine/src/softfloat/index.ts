export type { FormatName } from "./format.js";
export {
  type DenormalPolicy,
  FLOAT_FLAGS,
  FLOAT_MODES,
  floatEnvironment,
  type IntegerPolicy,
  MODES_SHIFT,
  modesOf,
  type NanPolicy,
  ROUNDING,
  ROUNDING_MASK,
  resolvePolicy,
  roundingOf,
  type SoftFloatOptions,
} from "./policy.js";
export {
  emitSoftFloat,
  type FloatOperation,
  SOFT_FLOAT_NAMES,
  type SoftFloat,
  type SoftFloatName,
} from "./softfloat.js";
