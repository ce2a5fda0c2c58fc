/** Guests to download: Debian kernels made into an initramfs and a root disk, in the user's cache. */
export { cacheRoot, type GuestFile, type GuestManifest, type PulledGuest } from "./cache.js";
export { type GuestRecipe, guestCatalog } from "./catalog.js";
export { GUESTS_USAGE, type GuestsIo, guestsCommand } from "./command.js";
export { GuestError, type GuestErrorCode } from "./errors.js";
export { type Ext4Image, type Ext4Options, ext4Image } from "./ext4/index.js";
export { FileTree } from "./image/file-tree.js";
export { READY_LINE } from "./image/scripts.js";
export { type Progress, streamProgress } from "./progress.js";
export {
  findGuest,
  type GuestOptions,
  type GuestStatus,
  listGuests,
  type PullOptions,
  pullGuest,
} from "./pull.js";
