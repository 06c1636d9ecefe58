/** What the foreign suites are, as far as they are used here: these packages bring no types, or wrong ones. */

declare module "tape" {
  const tape: (name: string, run: (t: object) => unknown) => void;
  export default tape;
}

declare module "abstract-level/test/index.js" {
  export default function suite(options: {
    test: (name: string, run: (t: object) => unknown) => void;
    factory: (options?: { createIfMissing?: boolean; errorIfExists?: boolean }) => object;
  }): void;
}
