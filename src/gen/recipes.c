/* GENERATED from data/recipes by tools/gen.py. Do not edit. */
#include "gen/recipes.h"

const struct recipe recipe_table[] = {
    { "cisco-asa", "Cisco ASA, NetFlow Secure Event Logging", "NetFlow v9", 2055,
      "name (nameif) of the interface towards the collector", "inside",
      {
        [RECIPE_ALL] =
            "> In configuration mode. Policy global_policy is the one that an ASA has from the start; write the class into yours if it has another name.\n"
            "flow-export destination {source} {collector} {port}\n"
            "flow-export template timeout-rate 1\n"
            "flow-export active refresh-interval 1\n"
            "policy-map global_policy\n"
            " class class-default\n"
            "  flow-export event-type all destination {collector}\n"
            "service-policy global_policy global\n",
        [RECIPE_TEMPLATES] =
            "> Minutes.\n"
            "flow-export template timeout-rate 1\n",
        [RECIPE_TIMEOUT] =
            "> Minutes between two updates of a connection that lasts. Without updates its octets come when it ends.\n"
            "flow-export active refresh-interval 1\n",
        [RECIPE_SAMPLING] =
            "> An ASA samples nothing: each record is exact. Declare it with weir serve --sampling EXPORTER=1.\n",
        [RECIPE_ONE_SIDE] =
            "> An ASA reports a connection with both directions in one record; there is nothing to set.\n",
        [RECIPE_CLOCK] =
            "> The address of a time server in place of 192.0.2.123.\n"
            "ntp server 192.0.2.123\n",
      } },
    { "cisco-fnf", "Cisco IOS and IOS-XE, Flexible NetFlow", "NetFlow v9", 2055,
      "interface whose address the datagrams carry", NULL,
      {
        [RECIPE_ALL] =
            "> In configuration mode. Apply the monitors as input on every interface. Where the platform knows no sys-uptime for timestamps (Catalyst 9000), say absolute instead.\n"
            "flow exporter WEIR\n"
            " destination {collector}\n"
            " source {source}\n"
            " transport udp {port}\n"
            " export-protocol netflow-v9\n"
            " template data timeout 60\n"
            " option interface-table timeout 300\n"
            " option sampler-table timeout 300\n"
            "flow record WEIR-IPV4\n"
            " match ipv4 tos\n"
            " match ipv4 protocol\n"
            " match ipv4 source address\n"
            " match ipv4 destination address\n"
            " match transport source-port\n"
            " match transport destination-port\n"
            " match interface input\n"
            " collect interface output\n"
            " collect transport tcp flags\n"
            " collect counter bytes long\n"
            " collect counter packets long\n"
            " collect timestamp sys-uptime first\n"
            " collect timestamp sys-uptime last\n"
            "flow record WEIR-IPV6\n"
            " match ipv6 traffic-class\n"
            " match ipv6 protocol\n"
            " match ipv6 source address\n"
            " match ipv6 destination address\n"
            " match transport source-port\n"
            " match transport destination-port\n"
            " match interface input\n"
            " collect interface output\n"
            " collect transport tcp flags\n"
            " collect counter bytes long\n"
            " collect counter packets long\n"
            " collect timestamp sys-uptime first\n"
            " collect timestamp sys-uptime last\n"
            "flow monitor WEIR-IPV4\n"
            " record WEIR-IPV4\n"
            " exporter WEIR\n"
            " cache timeout active 60\n"
            " cache timeout inactive 15\n"
            "flow monitor WEIR-IPV6\n"
            " record WEIR-IPV6\n"
            " exporter WEIR\n"
            " cache timeout active 60\n"
            " cache timeout inactive 15\n"
            "interface GigabitEthernet0/0/0\n"
            " ip flow monitor WEIR-IPV4 input\n"
            " ipv6 flow monitor WEIR-IPV6 input\n",
        [RECIPE_TEMPLATES] =
            "flow exporter WEIR\n"
            " template data timeout 60\n",
        [RECIPE_TIMEOUT] =
            "> Seconds. A monitor that is in use may have to be taken off its interfaces first.\n"
            "flow monitor WEIR-IPV4\n"
            " cache timeout active 60\n"
            " cache timeout inactive 15\n"
            "flow monitor WEIR-IPV6\n"
            " cache timeout active 60\n"
            " cache timeout inactive 15\n",
        [RECIPE_SAMPLING] =
            "> The table of samplers tells Weir the rate of each. To sample one packet in 100, add the sampler; without it every packet counts.\n"
            "flow exporter WEIR\n"
            " option sampler-table timeout 300\n"
            "sampler WEIR\n"
            " mode random 1 out-of 100\n"
            "interface GigabitEthernet0/0/0\n"
            " ip flow monitor WEIR-IPV4 sampler WEIR input\n",
        [RECIPE_ONE_SIDE] =
            "> On every interface, so that each packet is counted where it comes in, and only there.\n"
            "interface GigabitEthernet0/0/0\n"
            " no ip flow monitor WEIR-IPV4 output\n"
            " no ipv6 flow monitor WEIR-IPV6 output\n"
            " ip flow monitor WEIR-IPV4 input\n"
            " ipv6 flow monitor WEIR-IPV6 input\n",
        [RECIPE_CLOCK] =
            "> The address of a time server in place of 192.0.2.123.\n"
            "ntp server 192.0.2.123\n",
      } },
    { "cisco-ios", "Cisco IOS, classic NetFlow", "NetFlow v9", 2055,
      "interface whose address the datagrams carry", NULL,
      {
        [RECIPE_ALL] =
            "> In configuration mode. Put ip flow ingress on every interface, and nothing else: each packet is then counted once, where it comes in.\n"
            "ip flow-export version 9\n"
            "ip flow-export destination {collector} {port}\n"
            "ip flow-export source {source}\n"
            "ip flow-export template timeout-rate 1\n"
            "ip flow-export template options timeout-rate 1\n"
            "ip flow-cache timeout active 1\n"
            "ip flow-cache timeout inactive 15\n"
            "interface GigabitEthernet0/0\n"
            " ip flow ingress\n",
        [RECIPE_TEMPLATES] =
            "> Minutes.\n"
            "ip flow-export template timeout-rate 1\n"
            "ip flow-export template options timeout-rate 1\n",
        [RECIPE_TIMEOUT] =
            "> Minutes and seconds.\n"
            "ip flow-cache timeout active 1\n"
            "ip flow-cache timeout inactive 15\n",
        [RECIPE_SAMPLING] =
            "> Only where packets are sampled at all.\n"
            "ip flow-export template options sampler\n"
            "ip flow-export template options timeout-rate 1\n",
        [RECIPE_ONE_SIDE] =
            "> On every interface, so that each packet is counted where it comes in, and only there.\n"
            "interface GigabitEthernet0/0\n"
            " no ip flow egress\n"
            " ip flow ingress\n",
        [RECIPE_CLOCK] =
            "> The address of a time server in place of 192.0.2.123.\n"
            "ntp server 192.0.2.123\n",
      } },
    { "cisco-iosxr", "Cisco IOS-XR", "NetFlow v9", 2055,
      "interface whose address the datagrams carry, as in Loopback0", "Loopback0",
      {
        [RECIPE_ALL] =
            "> In configuration mode, then commit. Apply the monitors as ingress on every interface; the rate of the sampler is yours to choose.\n"
            "flow exporter-map WEIR\n"
            " version v9\n"
            "  options interface-table timeout 300\n"
            "  options sampler-table timeout 300\n"
            "  options vrf-table timeout 300\n"
            "  template timeout 60\n"
            " !\n"
            " transport udp {port}\n"
            " source {source}\n"
            " destination {collector}\n"
            "!\n"
            "flow monitor-map WEIR-IPV4\n"
            " record ipv4\n"
            " exporter WEIR\n"
            " cache timeout active 60\n"
            " cache timeout inactive 15\n"
            "!\n"
            "flow monitor-map WEIR-IPV6\n"
            " record ipv6\n"
            " exporter WEIR\n"
            " cache timeout active 60\n"
            " cache timeout inactive 15\n"
            "!\n"
            "sampler-map WEIR\n"
            " random 1 out-of 1000\n"
            "!\n"
            "interface TenGigE0/0/0/0\n"
            " flow ipv4 monitor WEIR-IPV4 sampler WEIR ingress\n"
            " flow ipv6 monitor WEIR-IPV6 sampler WEIR ingress\n"
            "!\n",
        [RECIPE_TEMPLATES] =
            "flow exporter-map WEIR\n"
            " version v9\n"
            "  template timeout 60\n",
        [RECIPE_TIMEOUT] =
            "> Seconds.\n"
            "flow monitor-map WEIR-IPV4\n"
            " cache timeout active 60\n"
            " cache timeout inactive 15\n"
            "flow monitor-map WEIR-IPV6\n"
            " cache timeout active 60\n"
            " cache timeout inactive 15\n",
        [RECIPE_SAMPLING] =
            "> The table of samplers tells Weir the rate of each.\n"
            "flow exporter-map WEIR\n"
            " version v9\n"
            "  options sampler-table timeout 300\n",
        [RECIPE_ONE_SIDE] =
            "> On every interface, so that each packet is counted where it comes in, and only there.\n"
            "interface TenGigE0/0/0/0\n"
            " no flow ipv4 monitor WEIR-IPV4 sampler WEIR egress\n"
            " no flow ipv6 monitor WEIR-IPV6 sampler WEIR egress\n"
            " flow ipv4 monitor WEIR-IPV4 sampler WEIR ingress\n"
            " flow ipv6 monitor WEIR-IPV6 sampler WEIR ingress\n",
        [RECIPE_CLOCK] =
            "> The address of a time server in place of 192.0.2.123.\n"
            "ntp server 192.0.2.123\n",
      } },
    { "cisco-nxos", "Cisco NX-OS", "NetFlow v9", 2055,
      "interface whose address the datagrams carry, as in mgmt0 or loopback0", "loopback0",
      {
        [RECIPE_ALL] =
            "> In configuration mode. The exporter stays off without a source. When that is mgmt0, write use-vrf management behind the destination.\n"
            "feature netflow\n"
            "flow exporter WEIR\n"
            "  destination {collector}\n"
            "  source {source}\n"
            "  transport udp {port}\n"
            "  version 9\n"
            "    template data timeout 60\n"
            "    option interface-table timeout 300\n"
            "flow record WEIR\n"
            "  match ipv4 source address\n"
            "  match ipv4 destination address\n"
            "  match ip protocol\n"
            "  match ip tos\n"
            "  match transport source-port\n"
            "  match transport destination-port\n"
            "  collect transport tcp flags\n"
            "  collect counter bytes long\n"
            "  collect counter packets long\n"
            "  collect timestamp sys-uptime first\n"
            "  collect timestamp sys-uptime last\n"
            "  collect ip version\n"
            "flow monitor WEIR\n"
            "  record WEIR\n"
            "  exporter WEIR\n"
            "interface Ethernet1/1\n"
            "  ip flow monitor WEIR input\n",
        [RECIPE_TEMPLATES] =
            "flow exporter WEIR\n"
            "  version 9\n"
            "    template data timeout 60\n",
        [RECIPE_TIMEOUT] =
            "> Nexus 7000 with M-series modules; F-series modules and Nexus 9000 have one timeout for all (flow timeout 60), and it is never longer.\n"
            "flow timeout active 60\n"
            "flow timeout inactive 15\n",
        [RECIPE_SAMPLING] =
            "> Only where the platform samples (Nexus 7000). The table of samplers tells Weir the rate of each.\n"
            "flow exporter WEIR\n"
            "  version 9\n"
            "    option sampler-table timeout 300\n",
        [RECIPE_ONE_SIDE] =
            "> On every interface, so that each packet is counted where it comes in, and only there.\n"
            "interface Ethernet1/1\n"
            "  no ip flow monitor WEIR output\n"
            "  ip flow monitor WEIR input\n",
        [RECIPE_CLOCK] =
            "> The address of a time server in place of 192.0.2.123.\n"
            "ntp server 192.0.2.123\n",
      } },
    { "fortinet", "Fortinet FortiGate", "NetFlow v9", 2055,
      "address of this device that the datagrams carry", NULL,
      {
        [RECIPE_ALL] =
            "> FortiOS 7.4 and later. Before that the lines of the collector stand directly below config system netflow, without config collectors; and the oldest releases count the two longer timeouts in minutes (1 instead of 60).\n"
            "config system netflow\n"
            "    set active-flow-timeout 60\n"
            "    set inactive-flow-timeout 15\n"
            "    set template-tx-timeout 60\n"
            "    config collectors\n"
            "        edit 1\n"
            "            set collector-ip {collector}\n"
            "            set collector-port {port}\n"
            "            set source-ip {source}\n"
            "        next\n"
            "    end\n"
            "end\n"
            "config system interface\n"
            "    edit port1\n"
            "        set netflow-sampler both\n"
            "    next\n"
            "end\n",
        [RECIPE_TEMPLATES] =
            "> Seconds (minutes in old releases: 1).\n"
            "config system netflow\n"
            "    set template-tx-timeout 60\n"
            "end\n",
        [RECIPE_TIMEOUT] =
            "> Seconds (minutes in old releases: 1).\n"
            "config system netflow\n"
            "    set active-flow-timeout 60\n"
            "end\n",
        [RECIPE_SAMPLING] =
            "> A FortiGate counts every packet of a session. Declare it with weir serve --sampling EXPORTER=1.\n",
        [RECIPE_ONE_SIDE] =
            "> both sees a session on one interface in both directions. Set it on the interfaces towards one side only, or rx on all of them.\n"
            "config system interface\n"
            "    edit port1\n"
            "        set netflow-sampler rx\n"
            "    next\n"
            "end\n",
        [RECIPE_CLOCK] =
            "> A FortiGate asks FortiGuard's time servers with this.\n"
            "config system ntp\n"
            "    set ntpsync enable\n"
            "end\n",
      } },
    { "hsflowd", "Host sFlow (hsflowd)", "sFlow v5", 6343,
      "interface to watch", "eth0",
      {
        [RECIPE_ALL] =
            "> In /etc/hsflowd.conf; then systemctl restart hsflowd. Every sample carries its rate, and counters are sent along.\n"
            "sflow {\n"
            "  agent = {source}\n"
            "  sampling = 1000\n"
            "  polling = 30\n"
            "  collector { ip = {collector} udpport = {port} }\n"
            "  pcap { dev = {source} }\n"
            "}\n",
        [RECIPE_SAMPLING] =
            "> In /etc/hsflowd.conf.\n"
            "  sampling = 1000\n",
        [RECIPE_ONE_SIDE] =
            "> hsflowd sees what its interface sees, in both directions; there is nothing to set.\n",
      } },
    { "huawei", "Huawei NetStream", "NetFlow v9", 2055,
      "address of this device that the datagrams carry", NULL,
      {
        [RECIPE_ALL] =
            "> In system view, then commit where the device wants it. Apply inbound on every interface.\n"
            "ip netstream export version 9\n"
            "ip netstream export host {collector} {port}\n"
            "ip netstream export source {source}\n"
            "ip netstream export template timeout-rate 1\n"
            "ip netstream timeout active 1\n"
            "ip netstream timeout inactive 15\n"
            "interface GigabitEthernet0/0/1\n"
            " ip netstream inbound\n",
        [RECIPE_TEMPLATES] =
            "> Minutes.\n"
            "ip netstream export template timeout-rate 1\n",
        [RECIPE_TIMEOUT] =
            "> Minutes.\n"
            "ip netstream timeout active 1\n",
        [RECIPE_SAMPLING] =
            "> On NetEngine routers; where the command is not known, declare the rate with weir serve --sampling EXPORTER=N.\n"
            "ip netstream export template option sampler\n",
        [RECIPE_ONE_SIDE] =
            "> On every interface, so that each packet is counted where it comes in, and only there.\n"
            "interface GigabitEthernet0/0/1\n"
            " undo ip netstream outbound\n"
            " ip netstream inbound\n",
      } },
    { "juniper-mx", "Juniper MX, inline IPFIX", "IPFIX", 4739,
      "address of this router that the datagrams carry", "192.0.2.1",
      {
        [RECIPE_ALL] =
            "> In configuration mode, then commit. One chassis line for each line card (fpc); the rate is yours to choose; sampling input on every interface. 192.0.2.1, where it stands, is an address of this router.\n"
            "set chassis fpc 0 sampling-instance WEIR\n"
            "set services flow-monitoring version-ipfix template WEIR4 flow-active-timeout 60\n"
            "set services flow-monitoring version-ipfix template WEIR4 flow-inactive-timeout 15\n"
            "set services flow-monitoring version-ipfix template WEIR4 template-refresh-rate seconds 60\n"
            "set services flow-monitoring version-ipfix template WEIR4 option-refresh-rate seconds 60\n"
            "set services flow-monitoring version-ipfix template WEIR4 ipv4-template\n"
            "set services flow-monitoring version-ipfix template WEIR6 flow-active-timeout 60\n"
            "set services flow-monitoring version-ipfix template WEIR6 flow-inactive-timeout 15\n"
            "set services flow-monitoring version-ipfix template WEIR6 template-refresh-rate seconds 60\n"
            "set services flow-monitoring version-ipfix template WEIR6 option-refresh-rate seconds 60\n"
            "set services flow-monitoring version-ipfix template WEIR6 ipv6-template\n"
            "set forwarding-options sampling instance WEIR input rate 1000\n"
            "set forwarding-options sampling instance WEIR family inet output flow-server {collector} port {port}\n"
            "set forwarding-options sampling instance WEIR family inet output flow-server {collector} version-ipfix template WEIR4\n"
            "set forwarding-options sampling instance WEIR family inet output inline-jflow source-address {source}\n"
            "set forwarding-options sampling instance WEIR family inet6 output flow-server {collector} port {port}\n"
            "set forwarding-options sampling instance WEIR family inet6 output flow-server {collector} version-ipfix template WEIR6\n"
            "set forwarding-options sampling instance WEIR family inet6 output inline-jflow source-address {source}\n"
            "set interfaces xe-0/0/0 unit 0 family inet sampling input\n"
            "set interfaces xe-0/0/0 unit 0 family inet6 sampling input\n",
        [RECIPE_TEMPLATES] =
            "set services flow-monitoring version-ipfix template WEIR4 template-refresh-rate seconds 60\n"
            "set services flow-monitoring version-ipfix template WEIR6 template-refresh-rate seconds 60\n",
        [RECIPE_TIMEOUT] =
            "> Seconds.\n"
            "set services flow-monitoring version-ipfix template WEIR4 flow-active-timeout 60\n"
            "set services flow-monitoring version-ipfix template WEIR6 flow-active-timeout 60\n",
        [RECIPE_SAMPLING] =
            "> The rate stands in option records; have them sent often.\n"
            "set services flow-monitoring version-ipfix template WEIR4 option-refresh-rate seconds 60\n"
            "set services flow-monitoring version-ipfix template WEIR6 option-refresh-rate seconds 60\n",
        [RECIPE_ONE_SIDE] =
            "> On every interface, so that each packet is counted where it comes in, and only there.\n"
            "delete interfaces xe-0/0/0 unit 0 family inet sampling output\n"
            "set interfaces xe-0/0/0 unit 0 family inet sampling input\n"
            "delete interfaces xe-0/0/0 unit 0 family inet6 sampling output\n"
            "set interfaces xe-0/0/0 unit 0 family inet6 sampling input\n",
        [RECIPE_CLOCK] =
            "> The address of a time server in place of 192.0.2.123.\n"
            "set system ntp server 192.0.2.123\n",
      } },
    { "juniper-srx", "Juniper SRX and J series, J-Flow v9", "NetFlow v9", 2055,
      "address of this device that the datagrams carry", "192.0.2.1",
      {
        [RECIPE_ALL] =
            "> In configuration mode, then commit. Sampling input on every interface. 192.0.2.1, where it stands, is an address of this device.\n"
            "set services flow-monitoring version9 template WEIR flow-active-timeout 60\n"
            "set services flow-monitoring version9 template WEIR flow-inactive-timeout 15\n"
            "set services flow-monitoring version9 template WEIR template-refresh-rate seconds 60\n"
            "set services flow-monitoring version9 template WEIR option-refresh-rate seconds 60\n"
            "set services flow-monitoring version9 template WEIR ipv4-template\n"
            "set forwarding-options sampling input rate 1\n"
            "set forwarding-options sampling family inet output flow-server {collector} port {port}\n"
            "set forwarding-options sampling family inet output flow-server {collector} version9 template WEIR\n"
            "set forwarding-options sampling family inet output inline-jflow source-address {source}\n"
            "set interfaces ge-0/0/0 unit 0 family inet sampling input\n",
        [RECIPE_TEMPLATES] =
            "set services flow-monitoring version9 template WEIR template-refresh-rate seconds 60\n",
        [RECIPE_TIMEOUT] =
            "> Seconds.\n"
            "set services flow-monitoring version9 template WEIR flow-active-timeout 60\n",
        [RECIPE_SAMPLING] =
            "> The rate stands in option records; have them sent often.\n"
            "set services flow-monitoring version9 template WEIR option-refresh-rate seconds 60\n",
        [RECIPE_ONE_SIDE] =
            "> On every interface, so that each packet is counted where it comes in, and only there.\n"
            "delete interfaces ge-0/0/0 unit 0 family inet sampling output\n"
            "set interfaces ge-0/0/0 unit 0 family inet sampling input\n",
        [RECIPE_CLOCK] =
            "> The address of a time server in place of 192.0.2.123.\n"
            "set system ntp server 192.0.2.123\n",
      } },
    { "mikrotik", "MikroTik RouterOS", "NetFlow v9", 2055,
      "address of this router that the datagrams carry", NULL,
      {
        [RECIPE_ALL] =
            "/ip traffic-flow target add dst-address={collector} port={port} version=9 v9-template-refresh=20 v9-template-timeout=1m\n"
            "/ip traffic-flow target set [find dst-address={collector}] src-address={source}\n"
            "/ip traffic-flow set enabled=yes interfaces=all active-flow-timeout=1m inactive-flow-timeout=15s\n",
        [RECIPE_TEMPLATES] =
            "/ip traffic-flow target set [find dst-address={collector}] v9-template-refresh=20 v9-template-timeout=1m\n",
        [RECIPE_TIMEOUT] =
            "/ip traffic-flow set active-flow-timeout=1m inactive-flow-timeout=15s\n",
        [RECIPE_SAMPLING] =
            "> RouterOS tells no rate of its own. Count every packet, or declare the rate with weir serve --sampling EXPORTER=N.\n"
            "/ip traffic-flow set packet-sampling=no\n",
        [RECIPE_ONE_SIDE] =
            "> Traffic is seen in both directions when all interfaces are watched.\n"
            "/ip traffic-flow set interfaces=all\n",
        [RECIPE_CLOCK] =
            "> RouterOS 7; the address of a time server in place of 192.0.2.123.\n"
            "/system ntp client servers add address=192.0.2.123\n"
            "/system ntp client set enabled=yes\n",
      } },
    { "openvswitch", "Open vSwitch", "IPFIX", 4739,
      "bridge to watch", "br0",
      {
        [RECIPE_ALL] =
            "> One line each. The sampling number 1 counts every packet; a busy switch wants 100 or more.\n"
            "ovs-vsctl -- set Bridge {source} ipfix=@weir -- --id=@weir create IPFIX targets=\\\"{place}\\\" sampling=1 cache_active_timeout=60\n",
        [RECIPE_TIMEOUT] =
            "> Seconds.\n"
            "ovs-vsctl set IPFIX {source} cache_active_timeout=60\n",
        [RECIPE_SAMPLING] =
            "> Declare the number of sampling with weir serve --sampling EXPORTER=N where Weir shows it as unknown.\n"
            "ovs-vsctl list IPFIX\n",
        [RECIPE_ONE_SIDE] =
            "> Open vSwitch sees what passes its bridge, in both directions; there is nothing to set.\n",
      } },
    { "paloalto", "Palo Alto Networks PAN-OS", "NetFlow v9", 2055,
      NULL, NULL,
      {
        [RECIPE_ALL] =
            "> Device > Server Profiles > NetFlow > Add. Then, for every interface: Network > Interfaces, NetFlow Profile: WEIR. Then commit.\n"
            "Name: WEIR\n"
            "Template Refresh Rate, Minutes: 1\n"
            "Template Refresh Rate, Packets: 20\n"
            "Active Timeout (min): 1\n"
            "PAN-OS Field Types: yes\n"
            "Servers > Add > NetFlow Server: {collector}\n"
            "Servers > Add > Port: {port}\n",
        [RECIPE_TEMPLATES] =
            "> Device > Server Profiles > NetFlow > WEIR.\n"
            "Template Refresh Rate, Minutes: 1\n"
            "Template Refresh Rate, Packets: 20\n",
        [RECIPE_TIMEOUT] =
            "> Device > Server Profiles > NetFlow > WEIR.\n"
            "Active Timeout (min): 1\n",
        [RECIPE_SAMPLING] =
            "> PAN-OS samples nothing: each record is exact. Declare it with weir serve --sampling EXPORTER=1.\n",
        [RECIPE_ONE_SIDE] =
            "> Records are of one direction each. Give every interface the profile: Network > Interfaces, NetFlow Profile: WEIR.\n",
      } },
    { "pmacctd", "pmacct's pmacctd with nfprobe", "IPFIX", 4739,
      "interface to watch", "eth0",
      {
        [RECIPE_ALL] =
            "> In pmacctd.conf; then pmacctd -f pmacctd.conf.\n"
            "daemonize: true\n"
            "pcap_interface: {source}\n"
            "aggregate: src_host, dst_host, src_port, dst_port, proto, tos, tcpflags\n"
            "plugins: nfprobe\n"
            "nfprobe_receiver: {place}\n"
            "nfprobe_version: 10\n"
            "nfprobe_timeouts: maxlife=60\n",
        [RECIPE_TIMEOUT] =
            "> In pmacctd.conf; seconds.\n"
            "nfprobe_timeouts: maxlife=60\n",
        [RECIPE_SAMPLING] =
            "> In pmacctd.conf: with sampling_rate, nfprobe tells the rate; without it every packet counts. Declare that with weir serve --sampling EXPORTER=1.\n"
            "sampling_rate: 100\n",
        [RECIPE_ONE_SIDE] =
            "> pmacctd sees what its interface sees. A mirror port must mirror both directions.\n",
      } },
    { "softflowd", "softflowd on Linux and BSD", "NetFlow v9", 2055,
      "interface to watch", "eth0",
      {
        [RECIPE_ALL] =
            "softflowd -i {source} -v 9 -n {place} -t maxlife=60\n",
        [RECIPE_TIMEOUT] =
            "> Add to softflowd's options; the default is seven days.\n"
            "-t maxlife=60\n",
        [RECIPE_SAMPLING] =
            "> Without -s every packet counts, and softflowd says no rate. Declare what -s has, or 1, with weir serve --sampling EXPORTER=N.\n",
        [RECIPE_ONE_SIDE] =
            "> softflowd sees what its interface sees. A mirror port must mirror both directions.\n",
      } },
    { "vmware", "VMware vSphere Distributed Switch", "IPFIX", 4739,
      NULL, NULL,
      {
        [RECIPE_ALL] =
            "> vSphere Client: the distributed switch > Configure > NetFlow > Edit. Then for every port group: Edit settings > Monitoring > NetFlow: Enabled.\n"
            "Collector IP address: {collector}\n"
            "Collector port: {port}\n"
            "Active flow export timeout: 60\n"
            "Idle flow export timeout: 15\n"
            "Sampling rate: 0\n",
        [RECIPE_TIMEOUT] =
            "> The distributed switch > Configure > NetFlow > Edit; seconds.\n"
            "Active flow export timeout: 60\n",
        [RECIPE_SAMPLING] =
            "> The distributed switch > Configure > NetFlow > Edit; 0 counts every packet. Any other rate must be declared with weir serve --sampling EXPORTER=N.\n"
            "Sampling rate: 0\n",
        [RECIPE_ONE_SIDE] =
            "> Every port group: Edit settings > Monitoring. A switch that watches internal flows only does not see what leaves the host.\n"
            "NetFlow: Enabled\n"
            "Process internal flows only: Disabled\n",
      } },
};
const size_t recipe_count = sizeof recipe_table / sizeof recipe_table[0];
