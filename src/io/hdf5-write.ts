import { type Dataset, File, type Group } from "h5wasm/node";
import { UserError } from "../errors.ts";
import { loadLibrary, reasonOf } from "./hdf5-file.ts";

export interface Hdf5Array {
  /** Group and name: `data/yvals`. */
  readonly path: string;
  /** Texts become bytes (UTF-8) of one length, zeros behind, as numpy has them. */
  readonly data: Float32Array | Float64Array | BigInt64Array | readonly string[];
  /** Numbers a row, for two axes; one axis when absent. */
  readonly width?: number;
}

/** A file of arrays, most of which grow by rows. */
export interface Hdf5Writer {
  /** Adds an array that is whole. */
  add(array: Hdf5Array): void;
  /** Appends rows to the arrays of these names, which begin with the first rows. */
  append(arrays: readonly Hdf5Array[]): void;
  /** Writes what waits and closes the file: nothing reads it before. */
  close(): void;
}

/** Bytes of a chunk of an array that grows. */
const CHUNK_BYTES = 2 ** 18;

const isTexts = (data: Hdf5Array["data"]): data is readonly string[] => Array.isArray(data);

/** Texts of other characters are declared as UTF-8. */
const isAscii = (texts: readonly string[]): boolean => texts.every((text) => !/[^\0-\x7f]/.test(text));

/** Longest text [bytes]. */
const longest = (texts: readonly string[]): number =>
  texts.reduce((most, text) => Math.max(most, Buffer.byteLength(text)), 1);

/**
 * Begins an HDF5 file. Numbers go to disk as they are appended; texts wait in memory for the last, whose length may be
 * that of all. `shown` is the file in messages. @throws UserError, also from its methods, where the library can't write.
 */
export async function createHdf5(path: string, shown = path): Promise<Hdf5Writer> {
  await loadLibrary();
  const explained = <T>(run: () => T): T => {
    try {
      return run();
    } catch (error) {
      throw new UserError(`${shown}: HDF5 can't be written: ${reasonOf(error)}`);
    }
  };
  const file = explained(() => new GrowingFile(path));
  return {
    add: (array) => explained(() => file.add(array)),
    append: (arrays) => explained(() => arrays.forEach((array) => file.append(array))),
    close: () => explained(() => file.close()),
  };
}

class GrowingFile {
  readonly #file: File;
  readonly #groups = new Map<string, Group>();
  readonly #growing = new Map<string, Dataset>();
  readonly #texts = new Map<string, string[]>();

  constructor(path: string) {
    this.#file = new File(path, "w");
  }

  add(array: Hdf5Array): void {
    this.#begin(array, true);
  }

  append(array: Hdf5Array): void {
    const { path, data } = array;
    if (!isTexts(data)) this.#extend(array, data);
    else if (!this.#texts.has(path)) this.#texts.set(path, [...data]);
    else for (const text of data) this.#texts.get(path)!.push(text);
  }

  close(): void {
    try {
      for (const [path, data] of this.#texts) this.#begin({ path, data }, true);
    } finally {
      this.#file.close();
    }
  }

  #begin({ path, data, width }: Hdf5Array, isWhole: boolean): Dataset {
    const [place, name] = path.split("/");
    const group = this.#groups.get(place) ?? this.#file.create_group(place);
    this.#groups.set(place, group);
    const row = width === undefined ? [] : [width];
    const bytes = isTexts(data) ? longest(data) : data.BYTES_PER_ELEMENT;
    const chunk = Math.max(1, Math.floor(CHUNK_BYTES / (bytes * (width ?? 1))));
    return group.create_dataset({
      name,
      data: isTexts(data) ? [...data] : data,
      shape: [data.length / (width ?? 1), ...row],
      ...(isTexts(data) ? { dtype: `${isAscii(data) ? "A" : "S"}${bytes}` } : {}),
      ...(isWhole ? {} : { maxshape: [null, ...row], chunks: [chunk, ...row] }),
    });
  }

  #extend(array: Hdf5Array, data: Exclude<Hdf5Array["data"], readonly string[]>): void {
    const dataset = this.#growing.get(array.path);
    if (dataset === undefined) {
      this.#growing.set(array.path, this.#begin(array, false));
      return;
    }
    const row = array.width === undefined ? [] : [array.width];
    const before = dataset.shape?.[0] ?? 0;
    const after = before + data.length / (array.width ?? 1);
    dataset.resize([after, ...row]);
    dataset.write_slice([[before, after], ...row.map((): [] => [])], data);
  }
}
