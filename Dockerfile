# Weir without what only the lab and the tests need. Run it with a configuration of your own:
#
#   docker build -t weir .
#   docker run -v ./my.yaml:/weir/config/my.yaml:ro weir serve --config config/my.yaml

FROM node:20-slim AS build
WORKDIR /weir
COPY package.json package-lock.json ./
RUN npm ci --no-audit --no-fund
COPY tsconfig.json tsconfig.build.json ./
COPY scripts ./scripts
COPY src ./src
COPY benchmarks ./benchmarks
RUN npm run build
# The lab's Postgres binaries are an optional dependency: the image stands in front of servers and
# starts none.
RUN npm prune --omit=dev --omit=optional --no-audit --no-fund

FROM node:20-slim
ENV NODE_ENV=production
WORKDIR /weir
COPY --from=build /weir/package.json ./
COPY --from=build /weir/node_modules ./node_modules
COPY --from=build /weir/dist ./dist
COPY scripts/weir.js ./scripts/weir.js
COPY config ./config
USER node
EXPOSE 6432 6433 6434 6480
HEALTHCHECK --interval=5s --timeout=3s --start-period=20s \
  CMD ["node", "-e", "fetch('http://127.0.0.1:6480/readyz').then((r) => process.exit(r.ok ? 0 : 1), () => process.exit(1))"]
ENTRYPOINT ["node", "scripts/weir.js"]
CMD ["serve", "--config", "config/compose.yaml"]
