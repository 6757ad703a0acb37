// The standard queries on DuckDB. usage: peer-duckdb.mjs load DB CSV | query DB RUNS. Prints one JSON object.
// CSV is the generator's -C file: addresses as 128-bit numbers.
import { DuckDBInstance } from '@duckdb/node-api';
import fs from 'node:fs';

const [mode, db, arg] = process.argv.slice(2);
const instance = await DuckDBInstance.create(db, {
    threads: '2',
    autoinstall_known_extensions: 'false',
    autoload_known_extensions: 'false',
});
const connection = await instance.connect();
const rows = async (sql) => (await connection.runAndReadAll(sql)).getRows();
const seconds = () => Number(process.hrtime.bigint()) / 1e9;
const peakMib = () => Math.round(Number(/VmHWM:\s+(\d+)/.exec(fs.readFileSync('/proc/self/status', 'utf8'))[1]) / 1024);

if (mode === 'load') {
    await connection.run(`create table flows(start_ms UBIGINT, end_ms UBIGINT, bytes UBIGINT, packets UBIGINT,
        src UHUGEINT, dst UHUGEINT, nexthop UHUGEINT, src_as UINTEGER, dst_as UINTEGER, in_if UINTEGER, out_if UINTEGER,
        sport USMALLINT, dport USMALLINT, src_vlan USMALLINT, dst_vlan USMALLINT, exporter UTINYINT, proto UTINYINT,
        tcp_flags UTINYINT, tos UTINYINT, src_mask UTINYINT, dst_mask UTINYINT, direction UTINYINT, af UTINYINT)`);
    const t = seconds();
    await connection.run(`copy flows from '${arg}' (header true, delim ',')`);
    await connection.run('checkpoint');
    const took = seconds() - t;
    const n = Number((await rows('select count(*) from flows'))[0][0]);
    console.log(JSON.stringify({ seconds: took, mflows_per_s: n / took / 1e6, octets_per_flow: fs.statSync(db).size / n, peak_mib: peakMib() }));
} else {
    const noon = 1772496000000 + 12 * 3600e3;
    const needle = (0xffffn << 32n | 0xc633644dn).toString() + '::UHUGEINT';
    const queries = {
        Q1: 'select count(*), sum(bytes), sum(packets) from flows',
        Q2: 'select src, sum(bytes) b, sum(packets), count(*) from flows group by src order by b desc limit 10',
        Q3: 'select src, dst, sum(bytes) b, sum(packets), count(*) from flows group by src, dst order by b desc limit 10',
        Q4: 'select dport, count(*) n from flows where proto = 6 group by dport order by n desc limit 10',
        Q5: `select * from flows where src = ${needle} or dst = ${needle}`,
        Q6: 'select start_ms, src, dst, packets, bytes from flows where dport = 22 and packets > 10 order by start_ms',
        Q7: 'select end_ms // 60000 m, proto, sum(bytes) from flows group by m, proto order by m, proto',
        Q8: 'select src, count(distinct dst) n from flows group by src order by n desc limit 10',
        Q9: `select src, sum(bytes) b, sum(packets), count(*) from flows where end_ms >= ${noon} and end_ms < ${noon + 600000}
             group by src order by b desc limit 10`,
    };
    const out = {};
    for (const [name, sql] of Object.entries(queries)) {
        await rows(sql);
        const times = [];
        for (let i = 0; i < Number(arg); i++) {
            const t = seconds();
            await rows(sql);
            times.push(seconds() - t);
        }
        times.sort((a, b) => a - b);
        out[name] = { median: times[times.length >> 1], min: times[0], max: times.at(-1) };
    }
    out.peak_mib = peakMib();
    console.log(JSON.stringify(out));
}
process.exit(0);
