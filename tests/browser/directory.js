// A directory of a site: `slapd` of OpenLDAP on the loopback interface.

import { spawn, spawnSync } from "node:child_process";
import fs from "node:fs";
import net from "node:net";
import os from "node:os";
import path from "node:path";

const SLAPD = "/usr/sbin/slapd";
const BASE = "dc=ward,dc=example";

export const isInstalled = fs.existsSync(SLAPD);
export const group = (name) => `cn=${name},ou=groups,${BASE}`;

const person = (name) => `cn=${name},ou=people,${BASE}`;

function run(program, args, input) {
  const { status, stderr } = spawnSync(program, args, { input, encoding: "utf8" });
  if (status !== 0) throw new Error(`${program} ${args.join(" ")}: ${stderr}`);
}

async function freePort() {
  return new Promise((resolve) => {
    const server = net.createServer().listen(0, "127.0.0.1", () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });
}

export class Directory {
  /** Starts a directory with nina, who is in `ward nurses` through `night shift`, and with bob, who is
   * in no group. It stops with the test `t`. */
  static async start(t) {
    const directory = new Directory();
    directory.folder = fs.mkdtempSync(path.join(os.tmpdir(), "cloister-slapd-"));
    directory.port = await freePort();
    t.after(async () => {
      await directory.stop();
      fs.rmSync(directory.folder, { recursive: true, force: true });
    });
    directory.makeCertificate();
    directory.makeDatabase();
    await directory.run();
    return directory;
  }

  /** The local socket for the administrator of the directory. */
  get socket() {
    return `ldapi://${encodeURIComponent(this.file("socket"))}`;
  }

  file(name, content) {
    const file = path.join(this.folder, name);
    if (content !== undefined) fs.writeFileSync(file, content);
    return file;
  }

  makeCertificate() {
    const [ca, caKey] = [this.file("ca.pem"), this.file("ca.key")];
    const [request, key] = [this.file("server.csr"), this.file("server.key")];
    const newKey = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];
    const authority = ["-addext", "keyUsage=critical,keyCertSign"];
    run("openssl", ["req", "-x509", ...newKey, "-keyout", caKey, "-out", ca, "-subj", "/CN=site", ...authority]);
    run("openssl", ["req", ...newKey, "-keyout", key, "-out", request, "-subj", "/CN=localhost"]);
    const names = this.file("names", "subjectAltName=DNS:localhost\n");
    run("openssl", [
      "x509", "-req", "-in", request, "-CA", ca, "-CAkey", caKey, "-days", "2",
      "-out", this.file("server.pem"), "-extfile", names,
    ]);
  }

  makeDatabase() {
    fs.mkdirSync(this.file("database"));
    const schemas = ["core", "cosine", "inetorgperson"];
    const settings = [
      ...schemas.map((schema) => `include /etc/ldap/schema/${schema}.schema`),
      "attributetype ( 1.2.840.113556.1.4.8 NAME 'userAccountControl'",
      "  EQUALITY integerMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.27 SINGLE-VALUE )",
      "objectclass ( 1.3.6.1.4.1.32473.1 NAME 'accountState' AUXILIARY MAY userAccountControl )",
      "modulepath /usr/lib/ldap",
      "moduleload back_mdb",
      `TLSCertificateFile ${this.file("server.pem")}`,
      `TLSCertificateKeyFile ${this.file("server.key")}`,
      "database mdb",
      "maxsize 16777216",
      `suffix "${BASE}"`,
      `rootdn "cn=admin,${BASE}"`,
      "rootpw administrator",
      `directory ${this.file("database")}`,
      "access to attrs=userPassword by anonymous auth by * none",
      `access to * by dn.exact="cn=search,${BASE}" read by * none`,
    ];
    this.file("slapd.conf", `${settings.join("\n")}\n`);
    const people = ["nina", "bob"].map((name) => [
      `dn: ${person(name)}`,
      "objectClass: inetOrgPerson",
      "objectClass: accountState",
      `cn: ${name}\nsn: ${name}\nuid: ${name}`,
      "userAccountControl: 512",
      `userPassword: ${name}s directory password`,
    ]);
    const groups = [["night shift", person("nina")], ["ward nurses", group("night shift")]].map(
      ([name, member]) => [`dn: ${group(name)}`, "objectClass: groupOfNames", `cn: ${name}`, `member: ${member}`],
    );
    const entries = [
      [`dn: ${BASE}`, "objectClass: domain", "dc: ward"],
      ...["people", "groups"].map((name) => [`dn: ou=${name},${BASE}`, "objectClass: organizationalUnit", `ou: ${name}`]),
      [
        `dn: cn=search,${BASE}`,
        "objectClass: organizationalRole",
        "objectClass: simpleSecurityObject",
        "cn: search",
        "userPassword: search only",
      ],
      ...people,
      ...groups,
    ];
    const ldif = this.file("entries.ldif", entries.map((lines) => `${lines.join("\n")}\n`).join("\n"));
    run("/usr/sbin/slapadd", ["-q", "-f", this.file("slapd.conf"), "-l", ldif]);
  }

  async run() {
    const addresses = `ldaps://localhost:${this.port} ${this.socket}`;
    const args = ["-d", "0", "-h", addresses, "-f", this.file("slapd.conf")];
    this.child = spawn(SLAPD, args, { stdio: "inherit" });
    this.ended = new Promise((resolve) => this.child.on("exit", resolve));
    for (let tries = 0; tries < 100; tries += 1) {
      const isOpen = await new Promise((resolve) => {
        const socket = net.connect(this.port, "localhost");
        socket.on("connect", () => socket.end(() => resolve(true)));
        socket.on("error", () => resolve(false));
      });
      if (isOpen) return;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    throw new Error("the directory did not start");
  }

  async stop() {
    this.child.kill();
    await this.ended;
  }

  /** Changes an entry: lines of LDIF after the name of the entry. */
  modify(dn, lines) {
    const args = ["-x", "-H", this.socket, "-D", `cn=admin,${BASE}`, "-w", "administrator"];
    const input = [`dn: ${dn}`, "changetype: modify", ...lines, ""].join("\n");
    const { status, stderr } = spawnSync("ldapmodify", args, { input, encoding: "utf8" });
    if (status !== 0) throw new Error(stderr);
  }

  disable(name) {
    this.modify(person(name), ["replace: userAccountControl", "userAccountControl: 514"]);
  }

  /** The settings of an appliance that uses this directory. */
  settings(groups) {
    const egress = ["[directory]", "enabled = true", 'host = "localhost"', `port = ${this.port}`, 'purpose = "sign-in"'];
    const settings = [
      "[paths]",
      `egress = "${this.file("egress.toml", `${egress.join("\n")}\n`)}"`,
      "[directory]",
      `authorities = "${this.file("ca.pem")}"`,
      `bind_dn = "cn=search,${BASE}"`,
      `bind_password = "${this.file("bind", "search only\n")}"`,
      `people_base = "ou=people,${BASE}"`,
      `groups_base = "ou=groups,${BASE}"`,
      `groups = ${JSON.stringify(groups)}`,
      "cache_minutes = 0",
    ];
    return { CLOISTER_CONFIG: this.file("cloister.toml", `${settings.join("\n")}\n`) };
  }
}
