/** Dates and times as ISO 8601 writes them, and their parts: the same in a table, in a program and in a saved model. */

/** What errors expect of a text that has to be a date. */
export const expectedDate = "a date as 2024-03-05, 2024-03-05 14:30 or 2024-03-05T14:30:00Z";

/** The parts of a date, in the order of their columns. */
export const dateParts = ["year", "month", "day", "weekday", "hour", "minute", "elapsed"] as const;

/**
 * A part of a date, as it is written: year 1 … 9999, month 1 … 12, day 1 … 31, weekday 1 (Monday) … 7, hour 0 … 23, minute
 * 0 … 59; of a date without a time hour and minute are 0. elapsed: days since 1970-01-01T00:00, with fractions; where a zone is
 * written (Z, +02:00), since that moment in UTC, while the other parts stay what the clock showed there.
 */
export type DatePart = (typeof dateParts)[number];

/** The names of the parts that go round, and of the days of the week; a code is a position. The others are numbers. */
export const datePartNames: Readonly<Partial<Record<DatePart, readonly string[]>>> = {
  month: [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
  ],
  weekday: ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"],
  hour: Array.from({ length: 24 }, (_, hour) => String(hour)),
  minute: Array.from({ length: 60 }, (_, minute) => String(minute)),
};

/** The number of the first name: months and days of the week are counted from 1. */
export const firstOfPart = (part: DatePart): number => (part === "month" || part === "weekday" ? 1 : 0);

const year = "([1-9][0-9]{3}|0[1-9][0-9]{2}|00[1-9][0-9]|000[1-9])";
const day = "(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])";
const clock = "([01][0-9]|2[0-3]):[0-5][0-9]";

/**
 * What a date looks like, as a regular expression of RE2's language, which DuckDB and ONNX Runtime share and JavaScript
 * understands: 2024-03-05, or that with T or a blank and 14:30 or 14:30:05 or 14:30:05.25 behind it, and then perhaps Z, +02:00
 * or +02. It lets days through that a month does not have.
 */
export const datePattern = `${year}-${day}([T ]${clock}(:[0-5][0-9]([.][0-9]+)?)?(Z|[+-](0[0-9]|1[0-4])(:[0-5][0-9])?)?)?`;

const whole = new RegExp(`^(?:${datePattern})$`);

/** Whether a text without blanks around it is a date, or a date and a time, that there is. */
export function isDate(text: string): boolean {
  if (!whole.test(text)) return false;
  const [ofYear, month, ofMonth] = text.slice(0, 10).split("-").map(Number);
  return ofMonth! <= daysIn(ofYear!, month!);
}

function daysIn(ofYear: number, month: number): number {
  const isLeap = ofYear % 4 === 0 && (ofYear % 100 !== 0 || ofYear % 400 === 0);
  return month === 2 ? (isLeap ? 29 : 28) : [4, 6, 9, 11].includes(month) ? 30 : 31;
}
