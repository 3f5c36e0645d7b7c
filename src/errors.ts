/**
 * A mistake the user can mend: wrong path, unknown column, recipe typo, damaged file.
 * The message is one line that says what, where and what was expected. The command line prints it without a
 * stack and exits with 1; every other error is ours and exits with 2.
 */
export class UserError extends Error {
  override readonly name = "UserError";

  constructor(message: string, options?: ErrorOptions) {
    // names out of a damaged file may hold line breaks, and what a terminal takes for commands
    super(message.replaceAll(/\p{Cc}+/gu, " "), options);
  }
}
