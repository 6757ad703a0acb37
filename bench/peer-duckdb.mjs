// The standard queries on DuckDB. usage: peer-duckdb.mjs load DB CSV | query DB RUNS. Prints one JSON object.
// CSV is the generator's -C file: addresses as 128-bit numbers. Each query is asked without a filter and with those of
// filters.csv (a, b), after one run to warm up.
import { DuckDBInstance } from '@duckdb/node-api';
import fs from 'node:fs';
import os from 'node:os';

const [mode, db, arg] = process.argv.slice(2);
const instance = await DuckDBInstance.create(db, {
    threads: String(os.cpus().length),
    autoinstall_known_extensions: 'false',
    autoload_known_extensions: 'false',
});
const connection = await instance.connect();
const rows = async (sql) => (await connection.runAndReadAll(sql)).getRows();
const seconds = () => Number(process.hrtime.bigint()) / 1e9;
const status = (name) => Math.round(Number(new RegExp(name + ':\\s+(\\d+)').exec(fs.readFileSync('/proc/self/status', 'utf8'))[1]) / 1024);
const cpu = () => { const u = process.cpuUsage(); return (u.user + u.system) / 1e6; };

if (mode === 'load') {
    await connection.run(`create table flows(start_ms UBIGINT, end_ms UBIGINT, bytes UBIGINT, packets UBIGINT,
        src UHUGEINT, dst UHUGEINT, nexthop UHUGEINT, src_as UINTEGER, dst_as UINTEGER, in_if UINTEGER, out_if UINTEGER,
        sport USMALLINT, dport USMALLINT, src_vlan USMALLINT, dst_vlan USMALLINT, exporter UTINYINT, proto UTINYINT,
        tcp_flags UTINYINT, tos UTINYINT, src_mask UTINYINT, dst_mask UTINYINT, direction UTINYINT, af UTINYINT)`);
    const t = seconds(), c = cpu();
    await connection.run(`copy flows from '${arg}' (header true, delim ',')`);
    await connection.run('checkpoint');
    const took = seconds() - t, used = cpu() - c;
    const n = Number((await rows('select count(*) from flows'))[0][0]);
    console.log(JSON.stringify({ seconds: took, cpu_seconds: used, mflows_per_s: n / took / 1e6, cpu_s_per_mflow: used / n * 1e6,
        octets_per_flow: fs.statSync(db).size / n, peak_mib: status('VmHWM') }));
} else {
    const noon = 1772496000000 + 12 * 3600e3;
    const v4 = (a, b, c, d) => (0xffffn << 32n | BigInt(((a * 256 + b) * 256 + c) * 256 + d)).toString() + '::UHUGEINT';
    const needle = v4(198, 51, 100, 77);
    // [columns, condition, the rest]
    const queries = {
        Q1: ['count(*), sum(bytes), sum(packets)', '', ''],
        Q2: ['src, sum(bytes) b, sum(packets), count(*)', '', 'group by src order by b desc limit 10'],
        Q3: ['src, dst, sum(bytes) b, sum(packets), count(*)', '', 'group by src, dst order by b desc limit 10'],
        Q4: ['dport, count(*) n', 'proto = 6', 'group by dport order by n desc limit 10'],
        Q5: ['*', `(src = ${needle} or dst = ${needle})`, ''],
        Q6: ['start_ms, src, dst, packets, bytes', 'dport = 22 and packets > 10', 'order by start_ms'],
        Q7: ['end_ms // 60000 m, proto, sum(bytes)', '', 'group by m, proto order by m, proto'],
        Q8: ['src, count(distinct dst) n', '', 'group by src order by n desc limit 10'],
        Q9: ['src, sum(bytes) b, sum(packets), count(*)', `end_ms >= ${noon} and end_ms < ${noon + 600000}`,
            'group by src order by b desc limit 10'],
    };
    const filters = { '': '', a: 'proto = 6 and dport != 443', b: `src >= ${v4(10, 20, 0, 0)} and src <= ${v4(10, 20, 127, 255)}` };
    const out = {};
    for (const [name, [what, own, rest]] of Object.entries(queries)) {
        for (const [suffix, filter] of Object.entries(filters)) {
            const where = [own, filter].filter((x) => x !== '').join(' and ');
            const sql = `select ${what} from flows ${where === '' ? '' : 'where ' + where} ${rest}`;
            await rows(sql);
            const times = [];
            const c = cpu();
            let answer;
            for (let i = 0; i < Number(arg); i++) {
                const t = seconds();
                answer = await rows(sql);
                times.push(seconds() - t);
            }
            const used = (cpu() - c) / Number(arg);
            times.sort((x, y) => x - y);
            out[name + suffix] = { sql: sql.replace(/\s+/g, ' '), seconds: { median: times[times.length >> 1], min: times[0], max: times.at(-1), runs: times.length },
                cpu_seconds: used, rows: answer.length, anon_mib: status('RssAnon') };
            if (name === 'Q1')
                out[name + suffix].flows = Number(answer[0][0]);
        }
    }
    console.log(JSON.stringify({ version: (await rows('select version()'))[0][0], peak_mib: status('VmHWM'), queries: out }));
}
process.exit(0);
