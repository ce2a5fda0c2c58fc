export { AddressSpaces } from "./core/address-spaces.js";
export type { CoreApi } from "./core/api.js";
export { Core, type CoreState, type CoreStatistics, type RunEnd } from "./core/core.js";
export { CpuModel, type CpuModelOptions } from "./core/cpu-model.js";
export { DeviceAccess, type DeviceBus } from "./core/device-access.js";
export {
  Engine,
  type EngineOptions,
  MAX_CORES,
  type RamMap,
  type RamRange,
  type Tier,
} from "./core/engine.js";
export {
  Access,
  type CodeSource,
  type GuestCpu,
  newTranslation,
  type ParcelSource,
  Status,
  Translated,
  type Translation,
} from "./core/guest-cpu.js";
export type { Shortcut, Shortcuts } from "./core/shortcuts.js";
export type { ColdStatistics, EngineStatistics } from "./core/statistics.js";
export type { Watchpoint } from "./core/watchpoints.js";
export type { HotStatistics } from "./hot/hot-tier.js";
export { type AccessOptions, type AtomicOptions, IrBuilder, type Value } from "./ir/builder.js";
export { type AccessSize, type AtomicSize, type IrBlock, isConstant, type Node } from "./ir/node.js";
export type { RmwName } from "./ir/ops.js";
export type { SoftName } from "./ir/soft.js";
export * from "./isa/index.js";
export { formatListing } from "./listing/format.js";
export type { ListingRow, RegionListing } from "./listing/listing.js";
export { RegionWatch, type RegionWatchOptions, type Unlisted } from "./listing/region-watch.js";
export { FLOAT_MODES, floatEnvironment, ROUNDING } from "./softfloat/index.js";
export { type Field, type FieldType, StateLayout } from "./state/layout.js";
export { type PageCache, PageCacheReader } from "./walk/page-cache.js";
export { type PageWalker, WALKED } from "./walk/page-walker.js";
export { SpaceRecord } from "./walk/space-record.js";
export { TableCacheReader } from "./walk/table-cache.js";
export { WALK_CACHES, WalkCaches } from "./walk/walk-caches.js";
export { type PhysicalRange, type WalkWindow, WindowReader } from "./walk/window.js";
/** The language that page walkers and shortcuts are written in. */
export * as wasm from "./wasm/index.js";
