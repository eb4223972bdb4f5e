import { useId, useState } from "react";

import { Button } from "../../ui/elements";
import { formatCount } from "../../ui/format";
import { cell, columnHead, figureCell, Table } from "../controls";
import { formatMoment } from "../wording";
import { fetchMarkdown, fetchReport, formatSum, known, stepsOf, type SaleReport } from "./figures";

interface ReportProps {
  token: string;
  sale: string;
}

/** What came of a sale, asked for by a press: the ledger counts every order for it. */
export function Report({ token, sale }: ReportProps) {
  const headingId = useId();
  const [report, setReport] = useState<SaleReport | null>(null);
  const [error, setError] = useState<string | null>(null);
  const [isBusy, setIsBusy] = useState(false);

  const attempt = async (work: () => Promise<void>) => {
    setIsBusy(true);
    try {
      await work();
      setError(null);
    } catch (failure) {
      setError(failure instanceof Error ? failure.message : String(failure));
    }
    setIsBusy(false);
  };
  const show = () =>
    attempt(async () => {
      setReport(await fetchReport(token, sale));
    });
  const saveMarkdown = () =>
    attempt(async () => {
      save(`${sale}.md`, "text/markdown", await fetchMarkdown(token, sale));
    });

  return (
    <section aria-labelledby={headingId} className="grid grid-cols-[minmax(0,1fr)] gap-3">
      <h4 id={headingId} className="font-semibold">
        Report of {sale}
      </h4>
      {error !== null && (
        <p role="alert" className="font-semibold text-bad">
          There is no report: {error}
        </p>
      )}
      {report && <Found report={report} />}
      <div className="flex flex-wrap items-center gap-3">
        <Button size="small" onClick={() => void show()}>
          {isBusy ? "Counting…" : report ? "Count again" : "Show report"}
        </Button>
        {report && (
          <>
            <Button size="small" onClick={() => void saveMarkdown()}>
              Save Markdown
            </Button>
            <Button
              size="small"
              onClick={() => {
                save(`${sale}.json`, "application/json", JSON.stringify(report, null, 2));
              }}
            >
              Save JSON
            </Button>
          </>
        )}
      </div>
    </section>
  );
}

function Found({ report }: { report: SaleReport }) {
  const { sale, incarnation, isOn, total, buysNote } = report;
  const { times, arrival } = total;
  return (
    <>
      <p className="text-muted">
        {incarnation === null
          ? "PostgreSQL has no orders of it."
          : `Incarnation ${incarnation}${isOn ? "" : ", which is over"}, as of ${moment(report.madeAt)} UTC.`}{" "}
        The laws are judged by <code>flashsale audit</code>.
      </p>
      {buysNote !== null && <p className="font-semibold">{buysNote}</p>}
      <Table
        name={`What became of the buys of ${sale}`}
        isBounded
        isReadOnly
        head={
          <>
            <th scope="col" className={columnHead}>
              Step
            </th>
            <th scope="col" className={`${columnHead} text-right`}>
              Buys
            </th>
          </>
        }
      >
        {stepsOf(report).map(({ name, count, isPart }) => (
          <tr key={name} className="border-t border-line">
            <th scope="row" className={`${cell} text-left font-normal ${isPart ? "pl-8" : ""}`}>
              {name}
            </th>
            <td className={figureCell}>{count}</td>
          </tr>
        ))}
      </Table>
      <Products report={report} />
      <p className="text-muted">
        First buy {moment(times.firstBuyAt)}, first order {moment(times.firstOrderAt)}, last order{" "}
        {moment(times.lastOrderAt)} UTC. Of {formatCount(arrival.compared)} orders{" "}
        {formatCount(arrival.outOfOrder)} stand before one whose buy is more than{" "}
        {formatCount(arrival.toleranceMs)} ms older.
      </p>
    </>
  );
}

const COLUMNS = ["On offer", "Sold", "Left", "Orders", "Paid", "Money paid", "Out of order"];

function Products({ report }: { report: SaleReport }) {
  return (
    <Table
      name={`Products of ${report.sale} in the report`}
      isReadOnly
      head={
        <>
          <th scope="col" className={columnHead}>
            Product
          </th>
          {COLUMNS.map((name) => (
            <th key={name} scope="col" className={`${columnHead} text-right`}>
              {name}
            </th>
          ))}
        </>
      }
    >
      {report.products.map(({ productId, stock, orders, money, arrival }) => (
        <tr key={productId} className="border-t border-line">
          <th scope="row" className={`${cell} text-left font-semibold`}>
            {productId}
          </th>
          <td className={figureCell}>{known(stock?.onOffer)}</td>
          <td className={figureCell}>{known(stock?.sold)}</td>
          <td className={figureCell}>{known(stock?.left)}</td>
          <td className={figureCell}>{formatCount(orders.confirmed)}</td>
          <td className={figureCell}>{formatCount(orders.paid)}</td>
          <td className={figureCell}>{formatSum(money.sold, money.currency)}</td>
          <td className={figureCell}>{formatCount(arrival.outOfOrder)}</td>
        </tr>
      ))}
    </Table>
  );
}

function moment(at: string | null): string {
  return at === null ? "–" : formatMoment(Date.parse(at));
}

/** Has the browser save a text as a file. */
function save(name: string, type: string, text: string): void {
  const address = URL.createObjectURL(new Blob([text], { type }));
  const link = document.createElement("a");
  link.href = address;
  link.download = name;
  link.click();
  URL.revokeObjectURL(address);
}
