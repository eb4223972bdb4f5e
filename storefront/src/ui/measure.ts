/** The widest a page gets, and its margins. */
export const MEASURE = "mx-auto w-full max-w-6xl px-5 sm:px-8";
